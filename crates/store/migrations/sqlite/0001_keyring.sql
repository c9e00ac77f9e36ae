-- Moments are whole seconds since 1970-01-01T00:00:00Z; the views in 0002 show them as text.
-- A digest is an HMAC of a key under the pepper. No table holds a key.

-- One row. Every change to what verifiers see makes a new epoch in the same transaction.
CREATE TABLE gracekey_keyring (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL CHECK (epoch BETWEEN 0 AND 9007199254740991),
    issued_at INTEGER NOT NULL
) STRICT;
INSERT INTO gracekey_keyring (id, epoch, issued_at) VALUES (1, 0, 0);

CREATE TABLE gracekey_clients (
    client_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- Scopes with a space between them, as RFC 6749 section 3.3 writes them.
    scopes TEXT NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gracekey_credentials (
    client_id TEXT NOT NULL REFERENCES gracekey_clients (client_id),
    credential TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, credential)
) STRICT, WITHOUT ROWID;

CREATE TABLE gracekey_generations (
    key_id TEXT PRIMARY KEY CHECK (length(key_id) = 8),
    client_id TEXT NOT NULL,
    credential TEXT NOT NULL,
    generation INTEGER NOT NULL CHECK (generation BETWEEN 1 AND 16777215),
    pepper TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    created_at INTEGER NOT NULL,
    rotated_from TEXT,
    not_before INTEGER,
    expires_at INTEGER,
    superseded_at INTEGER,
    retires_at INTEGER,
    revoked_at INTEGER,
    UNIQUE (client_id, credential, generation),
    FOREIGN KEY (client_id, credential) REFERENCES gracekey_credentials (client_id, credential)
) STRICT;

-- How often each key was used, all in all and by the hour. Changes no epoch.
CREATE TABLE gracekey_usage (
    key_id TEXT PRIMARY KEY REFERENCES gracekey_generations (key_id) ON DELETE CASCADE,
    requests INTEGER NOT NULL,
    last_used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gracekey_usage_hours (
    key_id TEXT NOT NULL REFERENCES gracekey_generations (key_id) ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour)
) STRICT, WITHOUT ROWID;

-- The last report that each verifier got through, so that one sent twice counts once.
CREATE TABLE gracekey_usage_reporters (
    reporter TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what when. Rows are only ever added.
CREATE TABLE gracekey_audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    client_id TEXT,
    credential TEXT,
    key_id TEXT,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX gracekey_audit_client ON gracekey_audit (client_id, seq);

CREATE TRIGGER gracekey_epoch_grows BEFORE UPDATE ON gracekey_keyring
WHEN NEW.epoch <= OLD.epoch
BEGIN
    SELECT RAISE(ABORT, 'an epoch only grows');
END;

CREATE TRIGGER gracekey_keyring_stays BEFORE DELETE ON gracekey_keyring
BEGIN
    SELECT RAISE(ABORT, 'an epoch only grows');
END;

CREATE TRIGGER gracekey_audit_no_update BEFORE UPDATE ON gracekey_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to');
END;

CREATE TRIGGER gracekey_audit_no_delete BEFORE DELETE ON gracekey_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to');
END;
