-- Statements by what they took, from pg_stat_statements in whatever schema it is: milliseconds, and how
-- many blocks came from the cache. Column names are those of all its versions.
SELECT
    t.query,
    t.calls,
    t.mean,
    t.total,
    t.total / nullif(t.all_total, 0) AS share,
    t.rows,
    t.hits::float8 / nullif(t.hits + t.reads, 0) AS cached
FROM (
    SELECT
        s.query,
        s.calls,
        s.rows,
        s.shared_blks_hit AS hits,
        s.shared_blks_read AS reads,
        v.total,
        v.mean,
        sum(v.total) OVER () AS all_total
    FROM {schema}.pg_stat_statements s
    CROSS JOIN LATERAL (
        SELECT
            coalesce((j ->> 'total_exec_time')::float8, (j ->> 'total_time')::float8) AS total,
            coalesce((j ->> 'mean_exec_time')::float8, (j ->> 'mean_time')::float8) AS mean
        FROM to_jsonb(s) j
    ) v
    WHERE %(all_databases)s::boolean OR s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
) t
ORDER BY CASE %(sort)s::text WHEN 'total' THEN t.total WHEN 'calls' THEN t.calls WHEN 'rows' THEN t.rows ELSE t.mean END DESC
LIMIT %(count)s::integer;
