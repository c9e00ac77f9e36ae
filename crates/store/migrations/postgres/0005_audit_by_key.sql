-- What happened to one key is asked for by its id.
CREATE INDEX gracekey_audit_key ON gracekey_audit (key_id, seq) WHERE key_id IS NOT NULL;
