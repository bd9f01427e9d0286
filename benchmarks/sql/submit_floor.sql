-- The row that a submission leaves in jobs, written plainly.
INSERT INTO floor_jobs (job_id, model_id, user_id, prompt, parameters, metadata, media_type, estimated_time, estimated_cost, driven)
VALUES (%(job_id)s, %(model_id)s, %(user_id)s, %(prompt)s, %(parameters)s, %(metadata)s, 'image', 5, 0.003, true)
RETURNING id, job_id, media_type, estimated_cost, estimated_time;
