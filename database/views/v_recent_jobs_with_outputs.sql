-- Jobs with their outputs, newest first: one row for each output, one for a job without any.
CREATE OR REPLACE VIEW public.v_recent_jobs_with_outputs AS
SELECT
    j.id,
    j.job_id,
    j.media_type,
    j.model_id,
    j.status,
    j.user_id,
    j.created_at,
    j.completed_at,
    j.actual_processing_time,
    j.estimated_cost,
    o.s3_url,
    o.thumbnail_url,
    o.file_size,
    o.duration,
    o.width,
    o.height
FROM public.jobs j
LEFT JOIN public.media_outputs o ON o.job_id = j.id
ORDER BY j.created_at DESC;
COMMENT ON VIEW public.v_recent_jobs_with_outputs IS 'Jobs with their outputs, newest first.';
