-- Bytes of each index that another one makes needless: it has the same columns, or begins with them, with
-- the same method, operator classes, collations, order, expressions, condition and included columns.
-- An exact double is a warning, a mere beginning a note. Which one to keep: what a constraint or
-- replication needs, then VSL's own, then the unique, then the older.
WITH indexes AS MATERIALIZED (
    SELECT
        i.indexrelid AS id,
        i.indrelid AS table_id,
        format('%I.%I', n.nspname, c.relname) AS name,
        c.relpages * current_setting('block_size')::float8 AS bytes,
        c.relam AS method,
        i.indisunique AS is_unique,
        i.indisunique AND coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_are_equal,
        -- What must not be dropped.
        i.indisprimary OR i.indisexclusion OR i.indisreplident OR t.relispartition
        OR EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid) AS is_needed,
        n.nspname = 'vsl'
        OR n.nspname = 'public' AND c.relname IN (
            'jobs_user_id_idx', 'jobs_status_idx', 'jobs_replicate_id_idx', 'jobs_created_at_idx', 'media_outputs_job_id_ordinal_idx',
            'media_outputs_s3_key_idx', 'usage_tracking_job_id_run_idx', 'usage_tracking_user_id_idx'
        ) AS is_ours,
        i.indnkeyatts AS width,
        k.keys,
        k.included,
        k.columns,
        -- As they are stored, without the places in the text that they were read from: pg_get_expr() and
        -- pg_get_indexdef() would wait for whoever has locked the table.
        coalesce(regexp_replace(i.indpred::text, ':location -?[0-9]+', '', 'g'), '') AS condition,
        coalesce(regexp_replace(i.indexprs::text, ':location -?[0-9]+', '', 'g'), '') AS expressions
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT
            array_agg(
                concat_ws(
                    ' ',
                    i.indkey[p.place], i.indclass[p.place], i.indcollation[p.place], i.indoption[p.place]
                )
                ORDER BY p.place
            ) FILTER (WHERE p.place < i.indnkeyatts) AS keys,
            coalesce(array_agg(i.indkey[p.place]) FILTER (WHERE p.place >= i.indnkeyatts), '{}') AS included,
            array_agg(i.indkey[p.place]) AS columns
        FROM generate_series(0, i.indnatts - 1) AS p (place)
    ) k
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        AND c.relkind = 'i' AND i.indisvalid
),
pairs AS (
    SELECT
        a.name,
        a.bytes,
        b.name AS keeper,
        a.keys = b.keys AND a.included <@ b.included AND b.included <@ a.included AS is_double,
        row_number() OVER (PARTITION BY a.id ORDER BY b.is_needed DESC, b.is_ours DESC, b.width, b.id) AS choice
    FROM indexes a
    JOIN indexes b ON b.table_id = a.table_id AND b.id <> a.id AND b.method = a.method AND b.condition = a.condition
    WHERE NOT a.is_needed AND NOT a.is_ours
        AND a.keys = b.keys[1 : a.width]
        -- A list in brackets: what comes first in it stands first.
        AND starts_with(b.expressions, left(a.expressions, -1))
        -- Only a B-tree is searched by the first of its columns.
        AND (a.width = b.width OR a.method = (SELECT m.oid FROM pg_am m WHERE m.amname = 'btree'))
        AND a.included <@ b.columns
        -- A unique index is a rule: only the same rule replaces it.
        AND (NOT a.is_unique OR b.is_unique AND a.width = b.width AND a.nulls_are_equal = b.nulls_are_equal)
        -- Of two that replace each other, one goes.
        AND NOT (
            a.width = b.width AND b.included <@ a.columns AND NOT b.is_needed AND NOT b.is_ours
            AND (NOT b.is_unique OR a.is_unique AND a.nulls_are_equal = b.nulls_are_equal)
            AND (a.is_unique AND NOT b.is_unique OR a.is_unique = b.is_unique AND a.id < b.id)
        )
)
SELECT
    p.name AS subject,
    p.bytes AS value,
    CASE WHEN p.is_double THEN 'warn' ELSE 'note' END AS level,
    CASE
        WHEN p.is_double THEN format('%s does the same: keep that, drop %s', p.keeper, p.name)
        ELSE format('%s does all that this one does: keep that, drop %s', p.keeper, p.name)
    END AS evidence,
    format('DROP INDEX CONCURRENTLY %s;', p.name) AS next,
    NULL::text AS unknown
FROM pairs p
WHERE p.choice = 1;
