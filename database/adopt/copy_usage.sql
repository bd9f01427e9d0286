-- Copy the usage.
INSERT INTO public.usage_tracking (
    id, job_id, user_id, estimated_cost, actual_cost, processing_time_seconds, api_calls_count, created_at, billing_period, public_job_id
)
SELECT
    coalesce(a.id, vsl.uuid7()), a.job_id, a.user_id, a.estimated_cost, a.actual_cost, a.processing_time_seconds, a.api_calls_count,
    a.created_at, a.billing_period, a.public_job_id
FROM adopted_usage a
WHERE cardinality(a.refusals) = 0;
