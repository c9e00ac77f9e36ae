-- A revocation counts from when it is written, also where it is dated by a clock ahead.

CREATE OR REPLACE VIEW gracekey_key_list AS
SELECT
    g.client_id,
    c.name,
    NOT c.disabled AS active,
    g.credential,
    g.generation,
    g.key_id,
    -- Of several ends the earliest counts, and of ends at one moment the weightiest.
    CASE
        WHEN g.ended AND g.revoked_at = g.ends_at THEN 'revoked'
        WHEN g.ended AND g.expires_at = g.ends_at THEN 'expired'
        WHEN g.ended THEN 'retired'
        WHEN g.not_before > extract(epoch FROM now()) THEN 'not_yet_valid'
        WHEN g.superseded_at <= extract(epoch FROM now()) THEN 'superseded'
        ELSE 'current'
    END AS state,
    to_timestamp(g.created_at) AS created,
    to_timestamp(u.last_used) AS last_used,
    coalesce(u.requests, 0) AS requests,
    to_timestamp(g.expires_at) AS expires,
    to_timestamp(g.retires_at) AS retires,
    to_timestamp(g.revoked_at) AS revoked
FROM (
    SELECT
        *,
        least(revoked_at, expires_at, retires_at) AS ends_at,
        revoked_at IS NOT NULL OR least(expires_at, retires_at) <= extract(epoch FROM now()) AS ended
    FROM gracekey_generations
) AS g
JOIN gracekey_clients AS c ON c.client_id = g.client_id
LEFT JOIN gracekey_usage AS u ON u.key_id = g.key_id;
