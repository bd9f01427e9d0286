-- Invalid indexes that interrupted REINDEX CONCURRENTLY left behind (docs: their names end with _ccnew or
-- _ccold and a number): of one table or index and its TOAST table, of a schema, or of the whole database.
SELECT n.nspname::text AS schema, c.relname::text AS name, (
        SELECT p.pid
        FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
            AND EXISTS (
                SELECT FROM pg_catalog.pg_locks l
                WHERE l.pid = p.pid AND l.locktype = 'relation' AND l.relation = i.indrelid
            )
        LIMIT 1
    ) AS builder
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_catalog.pg_class main ON main.reltoastrelid = t.oid
CROSS JOIN (
    SELECT CASE
        WHEN %(name)s::text IS NULL THEN NULL
        WHEN %(schema)s::text IS NULL THEN to_regclass(quote_ident(%(name)s::text))
        ELSE to_regclass(quote_ident(%(schema)s::text) || '.' || quote_ident(%(name)s::text))
    END AS oid
) named
WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
    AND CASE %(scope)s::text
        WHEN 'TABLE' THEN named.oid IN (t.oid, main.oid)
        WHEN 'INDEX' THEN c.relname ~ ('^' || regexp_replace(left(%(name)s::text, 50), '([^a-zA-Z0-9_])', '\\\1', 'g'))
            AND i.indrelid = (SELECT o.indrelid FROM pg_catalog.pg_index o WHERE o.indexrelid = named.oid)
        WHEN 'SCHEMA' THEN coalesce((
            SELECT m.nspname FROM pg_catalog.pg_namespace m WHERE m.oid = coalesce(main.relnamespace, t.relnamespace)
        ), '') = %(name)s::text
        ELSE true
    END
ORDER BY 1, 2;
