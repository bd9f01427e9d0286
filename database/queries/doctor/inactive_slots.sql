-- How long replication slots have had no consumer, in seconds.
-- Since when is known from PostgreSQL 17 on; before that an unused slot is a note.
SELECT
    format('replication slot %s', s.slot_name) AS subject,
    s.inactive AS value,
    CASE WHEN s.inactive IS NULL THEN 'note' END AS level,
    CASE
        WHEN s.inactive IS NULL THEN 'nobody uses it; since when, PostgreSQL tells from version 17 on'
        ELSE format('nobody uses this %s slot', s.slot_type)
    END AS evidence,
    format('SELECT pg_drop_replication_slot(%L);', s.slot_name) AS next,
    NULL::text AS unknown
FROM (
    SELECT p.slot_name, p.slot_type,
        extract(epoch FROM clock_timestamp() - (to_jsonb(p) ->> 'inactive_since')::timestamptz)::float8 AS inactive
    FROM pg_replication_slots p
    WHERE NOT p.active AND NOT p.temporary
) s;
