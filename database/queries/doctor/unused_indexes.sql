-- Bytes of each index of 10 MB or more that was never scanned, as far as the counters reach back: for 35
-- days or more a warning, from 7 days on a note. Left out: what a constraint, a foreign key or
-- replication needs, and VSL's own.
WITH present AS MATERIALIZED (
    SELECT vsl.measure_health() -> 'identity' AS identity
),
-- When the counters began: as PostgreSQL says, or (it often does not) before a snapshot that counts on
-- to today. What a snapshot does not list may be newer than it.
past AS MATERIALIZED (
    SELECT
        a.days,
        s.measures -> 'indexes' AS indexes,
        coalesce(d.stats_reset <= now() - make_interval(days => a.days), false)
        -- On a standby they are its primary's.
        OR coalesce(s.measures -> 'identity' = p.identity AND NOT pg_is_in_recovery(), false) AS reached
    FROM (VALUES (7), (35)) AS a (days)
    CROSS JOIN present p
    JOIN pg_stat_database d ON d.datname = current_database()
    LEFT JOIN LATERAL (
        SELECT h.measures FROM vsl.health_snapshots h WHERE h.taken_at <= now() - make_interval(days => a.days) ORDER BY h.taken_at DESC LIMIT 1
    ) s ON true
),
unused AS MATERIALIZED (
    SELECT
        i.indexrelid,
        format('%I.%I', n.nspname, c.relname) AS name,
        c.relpages * current_setting('block_size')::float8 AS bytes
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stat_all_indexes s ON s.indexrelid = i.indexrelid
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'vsl') AND n.nspname !~ '^pg_(toast|temp)'
        AND c.relkind = 'i'
        AND s.idx_scan = 0
        AND c.relpages * current_setting('block_size')::float8 >= 10 * 1024 ^ 2
        AND i.indisvalid AND NOT i.indisunique AND NOT i.indisprimary AND NOT i.indisexclusion AND NOT i.indisreplident
        AND (n.nspname, c.relname) NOT IN (
            ('public', 'jobs_user_id_idx'), ('public', 'jobs_status_idx'), ('public', 'jobs_replicate_id_idx'),
            ('public', 'jobs_created_at_idx'), ('public', 'media_outputs_s3_key_idx'), ('public', 'usage_tracking_user_id_idx')
        )
        AND NOT EXISTS (
            SELECT
            FROM pg_constraint f
            WHERE f.contype = 'f' AND f.conrelid = i.indrelid
                AND i.indkey[0] = ANY (f.conkey)
        )
        -- An index of a partition serves with those of the others.
        AND NOT t.relispartition
)
SELECT
    u.name AS subject,
    u.bytes AS value,
    j.level,
    format('%s, and not one scan in %s days or more', pg_size_pretty(u.bytes::bigint), j.days)
    || CASE WHEN r.standbys > 0 THEN format('; %s standbys count their own scans: ask them too', r.standbys) ELSE '' END AS evidence,
    format('DROP INDEX CONCURRENTLY %s;', u.name) AS next,
    NULL::text AS unknown
FROM unused u
JOIN LATERAL (
    SELECT p.days, CASE p.days WHEN 35 THEN 'warn' ELSE 'note' END AS level
    FROM past p
    WHERE p.reached AND coalesce(p.indexes ? u.indexrelid::text, true)
    ORDER BY p.days DESC
    LIMIT 1
) j ON true
CROSS JOIN (SELECT count(*) AS standbys FROM pg_stat_replication) r
UNION ALL
SELECT
    'indexes',
    NULL,
    'note',
    format('%s indexes of 10 MB or more have not been scanned, but the counters reach back less than 7 days: too short to tell', count(*)),
    'Ask again later: vsl db doctor',
    NULL
FROM unused u
WHERE NOT EXISTS (SELECT FROM past p WHERE p.days = 7 AND p.reached)
HAVING count(*) > 0;
