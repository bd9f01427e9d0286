-- Cancel the statement of a session, or terminate it, if it is still the one that began then.
-- Answers whether it was. What must not be ended is left out here too, for a worker of autovacuum
-- goes from table to table.
SELECT coalesce(
    (
        SELECT CASE WHEN %(terminate)s::boolean THEN pg_terminate_backend(a.pid) ELSE pg_cancel_backend(a.pid) END
        FROM pg_stat_activity a
        WHERE a.pid = %(pid)s::integer
            AND a.backend_start = %(started_at)s::timestamptz
            AND a.pid <> pg_backend_pid()
            AND (
                a.backend_type = 'client backend'
                OR a.backend_type = 'autovacuum worker' AND a.query NOT LIKE '%%(to prevent wraparound)%%'
            )
    ),
    false
);
