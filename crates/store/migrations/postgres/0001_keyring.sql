-- Moments are whole seconds since 1970-01-01T00:00:00Z; the views in 0002 show them as timestamps.
-- A digest is an HMAC of a key under the pepper. No table holds a key.

-- One row. Every change to what verifiers see makes a new epoch in the same transaction, and locks this row first.
CREATE TABLE gracekey_keyring (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL CHECK (epoch BETWEEN 0 AND 9007199254740991),
    issued_at BIGINT NOT NULL
);
INSERT INTO gracekey_keyring (id, epoch, issued_at) VALUES (1, 0, 0);

CREATE TABLE gracekey_clients (
    client_id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    -- Scopes with a space between them, as RFC 6749 section 3.3 writes them.
    scopes TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE gracekey_credentials (
    client_id TEXT COLLATE "C" NOT NULL REFERENCES gracekey_clients (client_id),
    credential TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, credential)
);

CREATE TABLE gracekey_generations (
    key_id TEXT COLLATE "C" PRIMARY KEY CHECK (octet_length(key_id) = 8),
    client_id TEXT COLLATE "C" NOT NULL,
    credential TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL CHECK (generation BETWEEN 1 AND 16777215),
    pepper TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    created_at BIGINT NOT NULL,
    rotated_from TEXT COLLATE "C",
    not_before BIGINT,
    expires_at BIGINT,
    superseded_at BIGINT,
    retires_at BIGINT,
    revoked_at BIGINT,
    UNIQUE (client_id, credential, generation),
    FOREIGN KEY (client_id, credential) REFERENCES gracekey_credentials (client_id, credential)
);

-- How often each key was used, all in all and by the hour. Changes no epoch.
CREATE TABLE gracekey_usage (
    key_id TEXT COLLATE "C" PRIMARY KEY REFERENCES gracekey_generations (key_id) ON DELETE CASCADE,
    requests BIGINT NOT NULL,
    last_used BIGINT NOT NULL
);

CREATE TABLE gracekey_usage_hours (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES gracekey_generations (key_id) ON DELETE CASCADE,
    hour BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour)
);

-- The last report that each verifier got through, so that one sent twice counts once.
CREATE TABLE gracekey_usage_reporters (
    reporter TEXT COLLATE "C" PRIMARY KEY,
    sequence BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Who did what when. Rows are only ever added.
CREATE TABLE gracekey_audit (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    client_id TEXT COLLATE "C",
    credential TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    detail TEXT NOT NULL
);
CREATE INDEX gracekey_audit_client ON gracekey_audit (client_id, seq);

CREATE FUNCTION gracekey_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END
$$;

CREATE TRIGGER gracekey_epoch_grows BEFORE UPDATE ON gracekey_keyring
FOR EACH ROW WHEN (NEW.epoch <= OLD.epoch) EXECUTE FUNCTION gracekey_refuse('an epoch only grows');

CREATE TRIGGER gracekey_keyring_stays BEFORE DELETE OR TRUNCATE ON gracekey_keyring
FOR EACH STATEMENT EXECUTE FUNCTION gracekey_refuse('an epoch only grows');

CREATE TRIGGER gracekey_audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON gracekey_audit
FOR EACH STATEMENT EXECUTE FUNCTION gracekey_refuse('the audit log is only added to');
