-- A job's attempts, in order.
SELECT
    number, run, provider, provider_id, provider_status, started_at, ended_at, outcome, processing_time, cost,
    error_code, error_message
FROM vsl.list_attempts(%(job_id)s::text);
