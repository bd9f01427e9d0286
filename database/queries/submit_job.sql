-- Submit a job; the caller wakes the workers after its commit.
SELECT id, job_id, media_type, estimated_cost, estimated_time
FROM vsl.submit_job(
    p_model_id => %(model_id)s::text,
    p_user_id => %(user_id)s::text,
    p_prompt => %(prompt)s::text,
    p_parameters => %(parameters)s::jsonb,
    p_metadata => %(metadata)s::jsonb,
    p_job_id => %(job_id)s::text,
    p_notify => false
);
