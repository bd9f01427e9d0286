-- Who keeps vacuum from removing dead rows of this database, and how far back, in transactions.
-- Sessions with a snapshot or a transaction that wrote, senders of WAL to replicas that feed back,
-- prepared transactions, and replication slots; each has a cure of its own. How far back is told to every
-- login; what the sessions of other roles are, only to members of pg_read_all_stats.
(
    SELECT
        CASE
            WHEN a.datid IS NULL THEN format('replica %s', coalesce(nullif(a.application_name, ''), a.pid::text))
            ELSE format('process %s', a.pid)
        END AS subject,
        greatest(age(a.backend_xmin), age(a.backend_xid))::float8 AS value,
        NULL::text AS level,
        format(
            '%s as %s, %s%s',
            CASE
                WHEN a.datid IS NULL THEN 'a query on the replica, by hot_standby_feedback'
                WHEN a.application_name LIKE 'vsl worker %'
                    THEN format('the VSL worker %s', substr(a.application_name, 12))
                ELSE coalesce(nullif(a.application_name, ''), a.backend_type, 'a client without a name')
            END,
            coalesce(a.usename, 'the server'),
            coalesce(a.state, 'in a state that this login may not see'),
            coalesce(format(', in a transaction for %s s', round(extract(epoch FROM clock_timestamp() - a.xact_start))), '')
        ) AS evidence,
        CASE
            WHEN a.datid IS NULL
                THEN 'On the replica: end its longest query, or ALTER SYSTEM SET hot_standby_feedback = off;'
            ELSE format('vsl db kill %s', a.pid)
        END AS next,
        NULL::text AS unknown
    FROM pg_stat_activity a
    WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL
        AND (a.datname = current_database() OR a.datid IS NULL)
        AND a.pid <> pg_backend_pid()
        AND a.application_name <> 'vsl doctor'
        -- Vacuum itself holds nobody back.
        AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum p WHERE p.pid = a.pid)
    ORDER BY greatest(age(a.backend_xmin), age(a.backend_xid)) DESC
    LIMIT 10
)
UNION ALL
SELECT
    format('prepared transaction %s', p.gid),
    age(p.transaction),
    NULL,
    format('prepared by %s %s s ago; it lasts until somebody ends it, over restarts too', p.owner, round(extract(epoch FROM clock_timestamp() - p.prepared))),
    format('ROLLBACK PREPARED %L;', p.gid),
    NULL
FROM pg_prepared_xacts p
WHERE p.database = current_database()
UNION ALL
SELECT
    format('replication slot %s', s.slot_name),
    greatest(age(s.xmin), age(s.catalog_xmin)),
    NULL,
    format(
        '%s, holds %s',
        CASE WHEN s.active THEN 'in use' ELSE 'nobody uses it' END,
        CASE WHEN s.xmin IS NULL THEN 'rows of the catalogue' ELSE 'rows of all tables' END
    ),
    CASE
        WHEN s.active THEN format('Let the consumer of slot %s confirm what it has read, or end its longest query.', s.slot_name)
        ELSE format('SELECT pg_drop_replication_slot(%L);', s.slot_name)
    END,
    NULL
FROM pg_replication_slots s
WHERE coalesce(s.xmin, s.catalog_xmin) IS NOT NULL;
