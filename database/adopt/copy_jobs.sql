-- Copy the jobs. The trigger that completes new jobs from the registry would fill in what the originals left open;
-- what it checks was checked. All are tracked: `driven` stays false.
ALTER TABLE public.jobs DISABLE TRIGGER fill_job;

INSERT INTO public.jobs (
    id, job_id, media_type, model_id, status, replicate_id, parameters, prompt, user_id, created_at, updated_at, completed_at,
    estimated_time, estimated_cost, actual_processing_time, error_message, retry_count, metadata, actual_cost
)
SELECT
    a.id, a.job_id, a.media_type, a.model_id, a.status, a.replicate_id, a.parameters, a.prompt, a.user_id, a.created_at,
    a.updated_at, a.completed_at, a.estimated_time, a.estimated_cost, a.actual_processing_time, a.error_message, a.retry_count,
    a.metadata, a.actual_cost
FROM adopted_jobs a
WHERE cardinality(a.refusals) = 0;

ALTER TABLE public.jobs ENABLE TRIGGER fill_job;
