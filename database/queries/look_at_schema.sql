-- What there is of VSL in this database, and what this login may see and do of it. Reads the
-- catalogue only, so that a login without any right gets an answer, too.
SELECT
    ledger.oid IS NOT NULL AS has_ledger,
    EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = ledger.oid AND a.attname = 'origin' AND NOT a.attisdropped
    ) AS has_columns,
    coalesce(pg_catalog.has_table_privilege(ledger.oid, 'SELECT'), false) AS may_read_ledger,
    repeatables.oid IS NOT NULL AS has_repeatables,
    coalesce(
        pg_catalog.has_schema_privilege(repeatables.relnamespace, 'USAGE')
        AND pg_catalog.has_table_privilege(repeatables.oid, 'SELECT'),
        false
    ) AS may_read_repeatables,
    EXISTS (
        SELECT FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'vsl' AND p.proname = 'record_act'
            AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
    ) AS may_record_acts,
    session_user::text AS login
FROM (VALUES (1)) AS one (row)
LEFT JOIN pg_catalog.pg_class ledger
    ON ledger.relname = 'schema_migrations' AND ledger.relnamespace = pg_catalog.to_regnamespace('public')
LEFT JOIN pg_catalog.pg_class repeatables
    ON repeatables.relname = 'repeatables' AND repeatables.relnamespace = pg_catalog.to_regnamespace('vsl');
