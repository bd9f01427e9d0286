-- Bytes of each index that no query uses because its build did not end. One that is being built now
-- is none of them: a build on the same table is looked for.
SELECT
    format('%I.%I', n.nspname, c.relname) AS subject,
    c.relpages * current_setting('block_size')::float8 AS value,
    CASE
        -- An index of a partitioned table waits for the indexes of its partitions.
        WHEN c.relkind = 'I' THEN 'warn'
        WHEN b.relid IS NOT NULL THEN 'note'
        ELSE 'fail'
    END AS level,
    format('the index of %I.%I is not valid', tn.nspname, t.relname)
    || CASE
        WHEN c.relkind = 'I' THEN ': not every partition has its part of it'
        WHEN b.relid IS NOT NULL THEN format(': process %s is building it, or another of that table (%s)', b.pid, b.phase)
        WHEN NOT i.indislive THEN ': its removal did not end'
        WHEN c.relname ~ '_ccold[0-9]*$' THEN ': it was replaced by REINDEX CONCURRENTLY and not removed'
        WHEN c.relname ~ '_ccnew[0-9]*$' THEN ': REINDEX CONCURRENTLY did not end'
        WHEN i.indisunique THEN ': its build did not end; it is unique, so look for equal rows first'
        ELSE ': its build did not end'
    END
    || CASE WHEN i.indisready AND c.relkind = 'i' THEN '; every write keeps it up all the same' ELSE '' END
    || CASE
        WHEN n.nspname = 'vsl' OR n.nspname = 'public' AND c.relname IN (
            'jobs_pkey', 'jobs_job_id_key', 'jobs_user_id_idx', 'jobs_status_idx', 'jobs_replicate_id_idx', 'jobs_created_at_idx',
            'media_outputs_pkey', 'media_outputs_job_id_ordinal_idx', 'media_outputs_s3_key_idx', 'model_configurations_pkey',
            'model_configurations_model_id_key', 'usage_tracking_pkey', 'usage_tracking_job_id_run_idx', 'usage_tracking_user_id_idx',
            'schema_migrations_pkey', 'user_preferences_pkey'
        ) THEN '; VSL needs it'
        ELSE ''
    END AS evidence,
    CASE
        WHEN c.relkind = 'I' OR b.relid IS NOT NULL THEN NULL
        WHEN NOT i.indislive OR c.relname ~ '_cc(new|old)[0-9]*$' THEN format('DROP INDEX CONCURRENTLY %I.%I;', n.nspname, c.relname)
        ELSE format('REINDEX INDEX CONCURRENTLY %I.%I;', n.nspname, c.relname)
    END AS next,
    NULL::text AS unknown
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN LATERAL (
    SELECT p.relid, p.pid, p.phase
    FROM pg_stat_progress_create_index p
    WHERE p.datname = current_database() AND p.relid = i.indrelid
    LIMIT 1
) b ON true
WHERE NOT i.indisvalid
UNION ALL
SELECT
    'builds under way',
    NULL,
    NULL,
    'an index may be under construction',
    format('GRANT pg_read_all_stats TO %I;', current_user),
    'which indexes are being built is hidden from this login'
WHERE NOT pg_has_role('pg_read_all_stats', 'USAGE')
    AND EXISTS (SELECT FROM pg_index i WHERE NOT i.indisvalid)
    AND EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid IS NULL);
