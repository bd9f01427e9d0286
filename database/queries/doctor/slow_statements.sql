-- The mean time of statements that are slow (20 ms or more, called 100 times or more) or take a third
-- of all statements' time, in milliseconds, since the snapshot: both together are a warning. Also
-- whether pg_stat_statements forgets statements too soon. Texts are not shown: `vsl db slow` does.
WITH present AS MATERIALIZED (
    SELECT vsl.measure_statements() AS measures
),
compared AS MATERIALIZED (
    SELECT
        p.measures,
        -- Without a snapshot to compare with, all that was counted since the extension began to.
        CASE
            WHEN w.missing IS NULL AND w.earlier #>> '{statements,since}' = p.measures ->> 'since' THEN w.earlier -> 'statements'
            ELSE '{}'
        END AS earlier,
        CASE
            WHEN w.missing IS NULL AND w.earlier #>> '{statements,since}' = p.measures ->> 'since' THEN w.began
            ELSE (p.measures ->> 'since')::timestamptz
        END AS began
    FROM present p
    CROSS JOIN vsl.health_window() w
    WHERE p.measures IS NOT NULL
),
statements AS (
    SELECT
        e.key AS id,
        c.began,
        (e.value ->> 0)::float8 - coalesce((c.earlier -> 'entries' -> e.key ->> 0)::float8, 0) AS calls,
        (e.value ->> 1)::float8 - coalesce((c.earlier -> 'entries' -> e.key ->> 1)::float8, 0) AS time,
        (c.measures ->> 'time')::float8 - coalesce((c.earlier ->> 'time')::float8, 0) AS all_time
    FROM compared c
    CROSS JOIN LATERAL jsonb_each(c.measures -> 'entries') e
),
judged AS (
    SELECT
        s.*,
        s.calls >= 100 AND s.time >= 20 * s.calls AS slow,
        s.all_time >= 10000 AND s.time >= 0.33 * s.all_time AS greedy
    FROM statements s
    -- Fewer than before: it was forgotten and came back.
    WHERE s.calls > 0 AND s.time >= 0
)
SELECT
    format('statement %s', j.id) AS subject,
    j.time / j.calls AS value,
    CASE WHEN j.slow AND j.greedy THEN 'warn' ELSE 'note' END AS level,
    format(
        '%s calls since %s, %s ms each, %s %% of the time of all statements', j.calls, date_trunc('second', j.began),
        round((j.time / j.calls)::numeric, 1), round((100 * j.time / greatest(j.all_time, j.time))::numeric, 1)
    ) AS evidence,
    'vsl db slow' AS next,
    NULL::text AS unknown
FROM judged j
WHERE j.slow OR j.greedy
UNION ALL
SELECT
    'pg_stat_statements',
    NULL,
    'note',
    CASE
        WHEN e.extname IS NOT NULL THEN 'the extension is there but not loaded, so nothing is known of single statements'
        ELSE 'the extension is not installed, so nothing is known of single statements'
    END,
    CASE
        WHEN e.extname IS NULL AND l.setting ~ '\mpg_stat_statements\M' THEN 'CREATE EXTENSION pg_stat_statements;'
        ELSE 'Add pg_stat_statements to shared_preload_libraries, restart the server, then: CREATE EXTENSION pg_stat_statements;'
    END,
    NULL
FROM present p
LEFT JOIN pg_extension e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_settings l ON l.name = 'shared_preload_libraries'
WHERE p.measures IS NULL
UNION ALL
-- Each eviction drops about a twentieth of the entries, so twenty within 48 hours are the whole table.
SELECT
    'pg_stat_statements',
    NULL,
    'warn',
    format('it dropped entries %s times since %s, so within 48 hours it forgets all statements', f.evictions, date_trunc('second', c.began)),
    'Raise pg_stat_statements.max and restart the server.',
    NULL
FROM compared c
CROSS JOIN LATERAL (SELECT (c.measures ->> 'evicted')::float8 - coalesce((c.earlier ->> 'evicted')::float8, 0) AS evictions) f
WHERE f.evictions >= 2 AND f.evictions * 48 * 3600 / greatest(extract(epoch FROM now() - c.began)::float8, 300) >= 20
UNION ALL
SELECT
    'pg_stat_statements',
    NULL,
    NULL,
    format('%s calls are of other roles'' statements', c.measures ->> 'hidden'),
    format('GRANT pg_read_all_stats TO %I;', current_user),
    'statements of other roles are hidden from this login'
FROM compared c
WHERE (c.measures ->> 'hidden')::float8 > 0;
