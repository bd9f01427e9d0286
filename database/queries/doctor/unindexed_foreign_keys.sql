-- Rows of each table whose foreign key no index supports: every DELETE of a row that it refers to reads
-- all of them. A warning where VSL deletes, in jobs and media_outputs; a note elsewhere.
SELECT
    format('%I on %I.%I', f.conname, n.nspname, c.relname) AS subject,
    greatest(c.reltuples, 0)::float8 AS value,
    CASE WHEN f.confrelid IN (to_regclass('public.jobs'), to_regclass('public.media_outputs')) THEN 'warn' ELSE 'note' END AS level,
    format(
        'no index begins with %s, so a DELETE in %I.%I reads all %s rows of %I.%I',
        k.columns, pn.nspname, p.relname, CASE WHEN c.reltuples < 0 THEN 'the' ELSE c.reltuples::bigint::text END, n.nspname, c.relname
    ) AS evidence,
    format('CREATE INDEX CONCURRENTLY ON %I.%I (%s);', n.nspname, c.relname, k.columns) AS next,
    NULL::text AS unknown
FROM pg_constraint f
JOIN pg_class c ON c.oid = f.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class p ON p.oid = f.confrelid
JOIN pg_namespace pn ON pn.oid = p.relnamespace
CROSS JOIN LATERAL (
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) AS columns
    FROM unnest(f.conkey) WITH ORDINALITY AS u (number, place)
    JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = u.number
) k
WHERE f.contype = 'f'
    AND f.conparentid = 0
    AND n.nspname !~ '^pg_temp'
    AND NOT EXISTS (
        SELECT
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam
        WHERE i.indrelid = f.conrelid AND i.indisvalid
            AND (m.amname = 'btree' OR m.amname = 'hash' AND array_length(f.conkey, 1) = 1)
            -- Its first columns are those of the key, in any order.
            AND i.indnkeyatts >= array_length(f.conkey, 1)
            AND (i.indkey::int2[])[0 : array_length(f.conkey, 1) - 1] @> f.conkey
            -- A partial index serves when it leaves out NULLs only, which refer to nothing.
            -- Read as it is stored: pg_get_expr() would wait for whoever has locked the table.
            AND (
                i.indpred IS NULL
                OR array_length(f.conkey, 1) = 1 AND i.indpred::text ~ format('^{NULLTEST :arg {VAR :varno 1 :varattno %s .*:nulltesttype 1 ', f.conkey[1])
            )
    );
