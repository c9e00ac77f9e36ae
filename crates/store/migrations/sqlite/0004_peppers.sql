-- Which pepper goes by which id: the digest of a text that is no key, so that another pepper of the same id is noticed.
CREATE TABLE gracekey_peppers (
    pepper TEXT PRIMARY KEY,
    mark BLOB NOT NULL CHECK (length(mark) = 32)
) STRICT, WITHOUT ROWID;
