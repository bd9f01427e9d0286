-- How far replicas are behind this server, or this replica behind its primary, in seconds.
-- Only while there is WAL that was not replayed: beside an idle primary the time means nothing.
SELECT
    format('replica %s', coalesce(nullif(l.application_name, ''), l.pid::text)) AS subject,
    CASE WHEN l.behind > 0 THEN coalesce(extract(epoch FROM l.replay_lag), 0) ELSE 0 END::float8 AS value,
    NULL::text AS level,
    CASE
        WHEN l.state IS NULL THEN 'its state is hidden'
        ELSE format(
            '%s, %s, %s bytes not replayed%s', coalesce(host(l.client_addr), 'on this machine'), l.state, l.behind,
            coalesce(format(', the last that it confirmed %s s late', round(extract(epoch FROM l.replay_lag), 1)), '')
        )
    END AS evidence,
    CASE WHEN l.state IS NULL THEN format('GRANT pg_monitor TO %I;', session_user) END AS next,
    CASE WHEN l.state IS NULL THEN 'this login may not see how far replicas are' END AS unknown
FROM (
    SELECT r.*, pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
        coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn, r.sent_lsn)
    )::float8 AS behind
    FROM pg_stat_replication r
    WHERE r.state IS DISTINCT FROM 'backup'
) l
UNION ALL
SELECT
    'this replica',
    CASE
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
        ELSE extract(epoch FROM clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time()))
    END::float8,
    NULL,
    format('received up to %s, replayed up to %s', pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()),
    'SELECT pg_is_wal_replay_paused(), pg_last_wal_replay_lsn();',
    NULL
WHERE pg_is_in_recovery();
