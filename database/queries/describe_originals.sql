-- What an adoption would find in this database, and whether this login may do it.
SELECT
    current_database()::text AS database,
    current_setting('server_version') AS server_version,
    session_user::text AS login,
    current_setting('TimeZone') AS time_zone,
    to_regnamespace('vsl') IS NOT NULL AS installed,
    to_regnamespace('vsl_original') IS NOT NULL AS kept,
    has_database_privilege(current_database(), 'CREATE') AS may_make_schemas,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_make_temporary,
    coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'CREATE'), false) AS may_make_tables;
