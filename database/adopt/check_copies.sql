-- Counts and sums of what was to be copied beside what is there; and that nothing of it would be run.
SELECT 'model_configurations' AS "table", a.sums = n.sums AS same, a.sums::text AS expected, n.sums::text AS found
FROM
    (SELECT jsonb_build_object('rows', count(*), 'prices', sum(pricing_per_unit), 'external', count(*)) AS sums FROM adopted_models WHERE cardinality(refusals) = 0) a,
    (
        SELECT jsonb_build_object('rows', count(*), 'prices', sum(pricing_per_unit), 'external', count(*) FILTER (WHERE provider = 'external')) AS sums
        FROM public.model_configurations
    ) n
UNION ALL
SELECT 'jobs', a.sums = n.sums, a.sums::text, n.sums::text
FROM
    (
        SELECT jsonb_build_object(
            'rows', count(*), 'estimated_cost', sum(estimated_cost), 'actual_cost', sum(actual_cost),
            'actual_processing_time', sum(actual_processing_time), 'retry_count', sum(retry_count),
            'first', min(created_at), 'last', max(created_at), 'completed', count(completed_at), 'prompts', sum(char_length(prompt)), 'driven', 0, 'dispatched', 0
        ) AS sums
        FROM adopted_jobs
        WHERE cardinality(refusals) = 0
    ) a,
    (
        SELECT jsonb_build_object(
            'rows', count(*), 'estimated_cost', sum(estimated_cost), 'actual_cost', sum(actual_cost),
            'actual_processing_time', sum(actual_processing_time), 'retry_count', sum(retry_count),
            'first', min(created_at), 'last', max(created_at), 'completed', count(completed_at), 'prompts', sum(char_length(prompt)),
            'driven', count(*) FILTER (WHERE driven), 'dispatched', (SELECT count(*) FROM vsl.dispatch)
        ) AS sums
        FROM public.jobs
    ) n
UNION ALL
SELECT 'media_outputs', a.sums = n.sums, a.sums::text, n.sums::text
FROM
    (
        SELECT jsonb_build_object('rows', count(*), 'file_size', sum(file_size), 'duration', sum(duration), 'pixels', sum(width::bigint * height)) AS sums
        FROM adopted_outputs
        WHERE cardinality(refusals) = 0
    ) a,
    (
        SELECT jsonb_build_object('rows', count(*), 'file_size', sum(file_size), 'duration', sum(duration), 'pixels', sum(width::bigint * height)) AS sums
        FROM public.media_outputs
    ) n
UNION ALL
SELECT 'usage_tracking', a.sums = n.sums, a.sums::text, n.sums::text
FROM
    (
        SELECT jsonb_build_object(
            'rows', count(*), 'estimated_cost', sum(estimated_cost), 'actual_cost', sum(actual_cost),
            'processing_time_seconds', sum(processing_time_seconds), 'api_calls_count', sum(api_calls_count)
        ) AS sums
        FROM adopted_usage
        WHERE cardinality(refusals) = 0
    ) a,
    (
        SELECT jsonb_build_object(
            'rows', count(*), 'estimated_cost', sum(estimated_cost), 'actual_cost', sum(actual_cost),
            'processing_time_seconds', sum(processing_time_seconds), 'api_calls_count', sum(api_calls_count)
        ) AS sums
        FROM public.usage_tracking
    ) n
UNION ALL
SELECT 'user_preferences', a.sums = n.sums, a.sums::text, n.sums::text
FROM
    (SELECT jsonb_build_object('rows', count(*), 'enabled', count(*) FILTER (WHERE notification_enabled)) AS sums FROM adopted_preferences WHERE cardinality(refusals) = 0) a,
    (SELECT jsonb_build_object('rows', count(*), 'enabled', count(*) FILTER (WHERE notification_enabled)) AS sums FROM public.user_preferences) n;
