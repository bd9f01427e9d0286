-- The same counters in the oldest snapshot of the last 14 days with which they can be compared: they have
-- counted on since, from the same beginning.
SELECT
    s.taken_at,
    (s.measures #>> '{database,commits}')::bigint AS commits,
    (s.measures #>> '{database,blks_hit}')::bigint AS hit,
    (s.measures #>> '{database,blks_read}')::bigint AS read,
    (s.measures #>> '{database,temp_files}')::bigint AS temp_files,
    (s.measures #>> '{database,temp_bytes}')::bigint AS temp_bytes,
    (s.measures #>> '{checkpoints,timed}')::bigint AS timed,
    (s.measures #>> '{checkpoints,requested}')::bigint AS requested
FROM vsl.health_snapshots s
CROSS JOIN (SELECT n.measures FROM vsl.health_snapshots n ORDER BY n.taken_at DESC, n.id DESC LIMIT 1) newest
WHERE s.taken_at > now() - interval '14 days'
    AND s.measures -> 'identity' = newest.measures -> 'identity'
    AND (newest.measures #>> '{database,commits}')::bigint <= %(commits)s::bigint
    AND (newest.measures #>> '{database,blks_hit}')::bigint <= %(hit)s::bigint
ORDER BY s.taken_at, s.id
LIMIT 1;
