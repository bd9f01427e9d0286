-- WAL that replication slots keep on the disk, in bytes.
-- A slot that is losing what it needs warns, one that has lost it fails, whatever the amount.
SELECT
    format('replication slot %s', s.slot_name) AS subject,
    s.retained AS value,
    CASE
        WHEN s.wal_status = 'lost' THEN 'fail'
        WHEN s.wal_status = 'unreserved' AND coalesce(s.retained, 0) < 5 * 1024 ^ 3 THEN 'warn'
    END AS level,
    format(
        '%s slot, %s; %s',
        s.slot_type,
        CASE WHEN s.active THEN 'in use' ELSE 'nobody uses it' END,
        CASE s.wal_status
            WHEN 'lost' THEN 'what it needs is gone, so its consumer must be set up anew'
            WHEN 'unreserved' THEN 'the next checkpoint may remove what it needs'
            ELSE format('keeps WAL from %s on', coalesce(s.restart_lsn::text, 'nowhere'))
        END
    ) AS evidence,
    CASE
        WHEN s.active THEN format('SELECT * FROM pg_stat_replication WHERE pid = %s;', s.active_pid)
        ELSE format('SELECT pg_drop_replication_slot(%L);', s.slot_name)
    END AS next,
    NULL::text AS unknown
FROM (
    SELECT p.*, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, p.restart_lsn)::float8 AS retained
    FROM pg_replication_slots p
    WHERE NOT p.temporary
) s;
