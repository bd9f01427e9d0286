-- The counters now, and those of the snapshot to compare them with: the newest that is at least an
-- hour old, else the oldest that is at least five minutes old. One row. missing: why there is nothing
-- to compare with, else NULL. began: when the snapshot was taken. seconds: how long ago that was.
CREATE OR REPLACE FUNCTION vsl.health_window()
RETURNS TABLE (began timestamptz, seconds double precision, earlier jsonb, current jsonb, missing text)
LANGUAGE sql STABLE SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH present AS MATERIALIZED (
        SELECT vsl.measure_health() AS measures
    ),
    candidates AS (
        (
            SELECT s.taken_at, s.measures, 1 AS choice
            FROM vsl.health_snapshots s
            WHERE s.taken_at <= now() - interval '1 hour'
            ORDER BY s.taken_at DESC
            LIMIT 1
        )
        UNION ALL
        SELECT s.taken_at, s.measures, 2
        FROM vsl.health_snapshots s
        WHERE s.taken_at > now() - interval '1 hour' AND s.taken_at <= now() - interval '5 minutes'
    ),
    chosen AS (
        SELECT c.taken_at, c.measures
        FROM candidates c, present p
        WHERE NOT pg_is_in_recovery()
            AND c.measures -> 'identity' = p.measures -> 'identity'
            -- Counters that have fallen began anew, whatever the identity says.
            AND (c.measures #>> '{database,commits}')::numeric <= (p.measures #>> '{database,commits}')::numeric
            AND (c.measures #>> '{database,blks_hit}')::numeric <= (p.measures #>> '{database,blks_hit}')::numeric
        ORDER BY c.choice, c.taken_at
        LIMIT 1
    )
    SELECT
        c.taken_at,
        extract(epoch FROM now() - c.taken_at)::double precision,
        c.measures,
        p.measures,
        CASE
            WHEN c.taken_at IS NOT NULL THEN NULL
            WHEN pg_is_in_recovery() THEN 'this server is a standby, and the snapshots are its primary''s'
            WHEN EXISTS (SELECT FROM candidates) THEN 'the counters began anew after the last snapshot: a reset, a crash, a failover or a restore'
            ELSE 'there is no snapshot of at least five minutes ago yet'
        END
    FROM present p
    LEFT JOIN chosen c ON true;
END;
COMMENT ON FUNCTION vsl.health_window() IS 'The counters now and as they were a while ago.';
