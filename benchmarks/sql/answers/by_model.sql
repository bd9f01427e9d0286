-- The seed: processing statistics by model.
SELECT
    model_id,
    COUNT(*) as total_jobs,
    AVG(actual_processing_time) as avg_time_seconds,
    SUM(estimated_cost) as total_cost
FROM jobs
WHERE status = 'completed'
GROUP BY model_id;
