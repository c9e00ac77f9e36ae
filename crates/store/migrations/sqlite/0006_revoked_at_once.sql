-- A revocation counts from when it is written, also where it is dated by a clock ahead.

DROP VIEW gracekey_key_list;

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
        WHEN g.ended AND g.revoked_at = g.ends_at THEN 'revoked'
        WHEN g.ended AND g.expires_at = g.ends_at THEN 'expired'
        WHEN g.ended THEN 'retired'
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
    SELECT
        *,
        min(coalesce(revoked_at, 1e15), coalesce(expires_at, 1e15), coalesce(retires_at, 1e15)) AS ends_at,
        revoked_at IS NOT NULL
            OR min(coalesce(expires_at, 1e15), coalesce(retires_at, 1e15)) <= unixepoch() AS ended
    FROM gracekey_generations
) AS g
JOIN gracekey_clients AS c ON c.client_id = g.client_id
LEFT JOIN gracekey_usage AS u ON u.key_id = g.key_id;
