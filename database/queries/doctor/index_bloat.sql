-- How much of each B-tree index is empty, in percent: its pages beside those that its rows would fill,
-- by the columns' average widths. An estimate, 15 % off at most where no key is repeated; where many
-- are, more is empty than it says. Indexes of less than 100 pages are left out; up to 10 MB of emptiness
-- is a note at most; from then on half of the index or 100 MB is a warning, 70 % or 1 GB a failure.
WITH widths AS MATERIALIZED (
    SELECT s.schemaname::text AS schema_name, s.tablename::text AS relation_name, s.attname::text AS column_name, s.avg_width, s.null_frac::float8 AS null_share
    FROM pg_stats s
    WHERE NOT s.inherited
    UNION
    SELECT w.* FROM vsl.column_widths() w
),
columns AS (
    SELECT
        i.indexrelid,
        i.indrelid,
        -- Statistics of an expression stand under the index's own name, and only its owner sees them. The
        -- width of a number or a time is known without.
        coalesce(w.avg_width, nullif(greatest(x.attlen, 0), 0)) AS avg_width,
        coalesce(w.null_share, 0) AS null_share,
        a.attname IS NULL AS is_expression
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_attribute x ON x.attrelid = i.indexrelid
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[x.attnum - 1] AND a.attnum <> 0
    LEFT JOIN widths w ON w.schema_name = n.nspname
        AND w.relation_name = CASE WHEN a.attname IS NULL THEN c.relname ELSE t.relname END
        AND w.column_name = coalesce(a.attname, x.attname)
    WHERE m.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        AND c.relpages >= 100
),
indexes AS (
    SELECT
        k.indexrelid,
        k.indrelid,
        count(*) <> count(k.avg_width) AS lacks_widths,
        bool_and(k.avg_width IS NOT NULL OR k.is_expression) AS lacks_expressions_only,
        -- A tuple: its header (with a bitmap when a column holds NULLs) and its values, each aligned to 8.
        CASE WHEN max(k.null_share) > 0 THEN 16 ELSE 8 END + 8 * ceil(sum((1 - k.null_share) * k.avg_width) / 8) AS width
    FROM columns k
    GROUP BY k.indexrelid, k.indrelid
),
estimated AS (
    SELECT
        i.*,
        c.relpages::float8 AS pages,
        format('%I.%I', n.nspname, c.relname) AS name,
        format('%I.%I', tn.nspname, t.relname) AS table_name,
        has_table_privilege(t.oid, 'SELECT') AS may_read,
        current_setting('block_size')::float8 AS block,
        -- A page: its header (24) and the B-tree's own (16) off; each tuple with its pointer (4). One
        -- more page is the index's own, and one in 250 or so points to the others.
        2 + 1.005 * ceil(
            greatest(c.reltuples, 0)
            / ((current_setting('block_size')::float8 - 40) * coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'fillfactor'), 90) / 100 / (i.width + 4))
        ) AS needed
    FROM indexes i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
),
judged AS (
    SELECT
        e.*,
        greatest(1 - e.needed / e.pages, 0) AS share,
        greatest(e.pages - e.needed, 0) * e.block AS bytes
    FROM estimated e
)
SELECT
    j.name AS subject,
    100 * j.share AS value,
    CASE
        WHEN j.share <= 0.3 THEN 'ok'
        WHEN j.bytes < 10 * 1024 ^ 2 THEN CASE WHEN j.share >= 0.5 THEN 'note' ELSE 'ok' END
        WHEN j.share >= 0.7 OR j.bytes >= 1024 ^ 3 THEN 'fail'
        WHEN j.share >= 0.5 OR j.bytes >= 100 * 1024 ^ 2 THEN 'warn'
        ELSE 'note'
    END AS level,
    format(
        'about %s of %s are empty (%s %%, an estimate, give or take 15)', pg_size_pretty(j.bytes::bigint), pg_size_pretty((j.pages * j.block)::bigint),
        round((100 * j.share)::numeric)
    ) AS evidence,
    format('REINDEX INDEX CONCURRENTLY %s;', j.name) AS next,
    NULL::text AS unknown
FROM judged j
WHERE NOT j.lacks_widths AND j.share > 0.3
UNION ALL
-- One row for each table, large indexes only: of what is small, nothing is worth a question.
SELECT
    j.table_name,
    NULL,
    NULL,
    format('its indexes have %s', pg_size_pretty((sum(j.pages) * max(j.block))::bigint)),
    CASE
        WHEN NOT bool_and(j.may_read) THEN format('GRANT SELECT ON %s TO %I;', j.table_name, current_user)
        WHEN bool_and(j.lacks_expressions_only) THEN 'Ask with the login of its owner: vsl db doctor'
        ELSE format('ANALYZE %s;', j.table_name)
    END,
    'the widths of its columns are not known: '
    || CASE
        WHEN NOT bool_and(j.may_read) THEN 'this login may not read the table, and its statistics are hidden'
        WHEN bool_and(j.lacks_expressions_only) THEN 'the statistics of expressions are shown to the owner of the index only'
        ELSE 'it was not analyzed'
    END
FROM judged j
WHERE j.lacks_widths AND j.pages >= 1000
GROUP BY j.table_name;
