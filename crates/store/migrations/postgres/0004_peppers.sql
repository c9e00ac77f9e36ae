-- Which pepper goes by which id: the digest of a text that is no key, so that another pepper of the same id is noticed.
CREATE TABLE gracekey_peppers (
    pepper TEXT COLLATE "C" PRIMARY KEY,
    mark BYTEA NOT NULL CHECK (octet_length(mark) = 32)
);
