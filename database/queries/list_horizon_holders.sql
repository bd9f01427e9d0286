-- What keeps dead rows of this database from being removed, the oldest first.
-- Sessions with a snapshot or a transaction, prepared transactions, standbys, replication slots; ages
-- in transactions and in seconds.
SELECT h.kind, h.pid, h.name, h.user_name, h.application, h.state, h.transactions, h.age
FROM (
    SELECT
        CASE a.backend_type WHEN 'walsender' THEN 'standby' ELSE 'session' END AS kind,
        a.pid,
        NULL::text AS name,
        a.usename::text AS user_name,
        a.application_name AS application,
        a.state,
        greatest(age(a.backend_xmin), age(a.backend_xid))::bigint AS transactions,
        extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start))::float8 AS age
    FROM pg_stat_activity a
    WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
        AND (a.datname = current_database() OR a.datname IS NULL)
        AND a.pid <> pg_backend_pid()
        -- The snapshots of vacuum itself do not count.
        AND a.pid NOT IN (SELECT v.pid FROM pg_stat_progress_vacuum v)
    UNION ALL
    SELECT
        'prepared transaction', NULL, p.gid, p.owner::text, NULL, NULL,
        age(p.transaction)::bigint, extract(epoch FROM clock_timestamp() - p.prepared)::float8
    FROM pg_prepared_xacts p
    WHERE p.database = current_database()
    UNION ALL
    SELECT
        'replication slot', s.active_pid, s.slot_name::text, NULL, NULL,
        CASE WHEN s.active THEN 'active' ELSE 'inactive' END, age(s.xmin)::bigint, NULL
    FROM pg_replication_slots s
    WHERE s.xmin IS NOT NULL
) h
ORDER BY h.transactions DESC, h.age DESC NULLS LAST;
