-- Scratch databases that are older than an hour, that nobody is connected to, and that this login may drop.
SELECT d.datname::text
FROM pg_catalog.pg_database d
WHERE d.datname ~ '^vsl_verify_[0-9a-f]{8}_[0-9a-f]{12}$'
    AND d.datname < 'vsl_verify_' || to_hex((extract(epoch FROM now()) - 3600)::bigint) COLLATE "C"
    AND pg_has_role(session_user, d.datdba, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datname = d.datname);
