-- Take the longest due jobs that nobody holds.
WITH due AS MATERIALIZED (
    SELECT job_id FROM floor_dispatch
    WHERE lane = 'bench' AND worker IS NULL AND due_at <= now()
    ORDER BY due_at
    LIMIT %(count)s
    FOR UPDATE SKIP LOCKED
)
UPDATE floor_dispatch d
SET worker = 'floor', epoch = nextval('vsl.epoch_seq'), lease_until = now() + interval '30 seconds'
FROM due
WHERE d.job_id = due.job_id
RETURNING d.job_id, d.epoch, d.held;
