-- For operators with a SQL prompt: the same tables with moments as text and the state of each key right now.

CREATE VIEW gracekey_key_list AS
SELECT
    g.client_id,
    c.name,
    c.disabled = 0 AS active,
    g.credential,
    g.generation,
    g.key_id,
    -- Of several ends the earliest counts, and of ends at one moment the weightiest.
    CASE
        WHEN g.revoked_at = g.ends_at AND g.ends_at <= unixepoch() THEN 'revoked'
        WHEN g.expires_at = g.ends_at AND g.ends_at <= unixepoch() THEN 'expired'
        WHEN g.ends_at <= unixepoch() THEN 'retired'
        WHEN g.not_before > unixepoch() THEN 'not_yet_valid'
        WHEN g.superseded_at <= unixepoch() THEN 'superseded'
        ELSE 'current'
    END AS state,
    strftime('%Y-%m-%dT%H:%M:%SZ', g.created_at, 'unixepoch') AS created,
    strftime('%Y-%m-%dT%H:%M:%SZ', u.last_used, 'unixepoch') AS last_used,
    coalesce(u.requests, 0) AS requests,
    strftime('%Y-%m-%dT%H:%M:%SZ', g.expires_at, 'unixepoch') AS expires,
    strftime('%Y-%m-%dT%H:%M:%SZ', g.retires_at, 'unixepoch') AS retires,
    strftime('%Y-%m-%dT%H:%M:%SZ', g.revoked_at, 'unixepoch') AS revoked
FROM (
    SELECT *, nullif(min(coalesce(revoked_at, 1e15), coalesce(expires_at, 1e15), coalesce(retires_at, 1e15)), 1e15) AS ends_at
    FROM gracekey_generations
) AS g
JOIN gracekey_clients AS c ON c.client_id = g.client_id
LEFT JOIN gracekey_usage AS u ON u.key_id = g.key_id;

CREATE VIEW gracekey_audit_log AS
SELECT
    seq,
    strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch') AS at,
    actor, action, client_id, credential, key_id, detail, epoch
FROM gracekey_audit;
