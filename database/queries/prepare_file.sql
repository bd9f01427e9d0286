-- Settings under which a migration runs, whatever the login's own are. local: for this transaction only.
-- The file's own settings come after and win. Those that this server does not have are left out.
SELECT count(pg_catalog.set_config(v.name, v.value, %(local)s::boolean))
FROM (VALUES
    ('search_path', 'public'),
    ('client_encoding', 'UTF8'),
    ('standard_conforming_strings', 'on'),
    ('lock_timeout', %(lock_timeout_ms)s::text),
    ('statement_timeout', %(statement_timeout_ms)s::text),
    ('idle_in_transaction_session_timeout', '0'),
    ('transaction_timeout', '0')
) AS v (name, value)
WHERE v.name <> 'transaction_timeout' OR current_setting('server_version_num')::integer >= 170000;
