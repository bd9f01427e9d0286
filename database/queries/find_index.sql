-- An index by its name, and who builds it. Which index a session builds is shown to its own login and to
-- members of pg_monitor; for others a build that holds the index's table counts as one of it.
SELECT n.nspname::text AS schema, c.relname::text AS name, i.indisvalid AS valid, (
        SELECT p.pid
        FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
            AND (
                p.index_relid = c.oid
                OR p.index_relid IS NULL AND EXISTS (
                    SELECT FROM pg_catalog.pg_locks l
                    WHERE l.pid = p.pid AND l.locktype = 'relation' AND l.relation = i.indrelid
                )
            )
        LIMIT 1
    ) AS builder
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(
        CASE
            WHEN %(schema)s::text IS NULL THEN quote_ident(%(name)s::text)
            ELSE quote_ident(%(schema)s::text) || '.' || quote_ident(%(name)s::text)
        END
    );
