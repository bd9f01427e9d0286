-- One row for each user with jobs. Times in seconds, costs in US dollars, completion_rate in percent.
CREATE OR REPLACE VIEW public.v_user_statistics AS
SELECT
    j.user_id,
    count(*) AS total_jobs,
    count(*) FILTER (WHERE j.status = 'completed') AS completed_jobs,
    count(*) FILTER (WHERE j.status = 'failed') AS failed_jobs,
    count(*) FILTER (WHERE j.status = 'processing') AS processing_jobs,
    sum(j.actual_processing_time) AS total_processing_time,
    avg(j.actual_processing_time) AS avg_processing_time,
    sum(j.estimated_cost) AS total_estimated_cost,
    max(j.created_at) AS last_job_created,
    round(100.0 * count(*) FILTER (WHERE j.status = 'completed') / count(*), 2) AS completion_rate,
    sum(j.actual_cost) AS total_actual_cost
FROM public.jobs j
GROUP BY j.user_id;
COMMENT ON VIEW public.v_user_statistics IS 'Jobs, times and costs of each user.';
