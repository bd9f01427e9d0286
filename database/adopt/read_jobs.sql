-- The jobs as VSL would hold them. mends: what is changed on the way, as column:rule; refusals: why a row cannot be
-- had, likewise. Originals of mended values, and columns that VSL has not, go into metadata.
CREATE TEMPORARY VIEW adopted_jobs AS
WITH read AS (
    SELECT
        o.r,
        o.extra,
        pg_temp.identifier(o.r -> 'id') AS id,
        coalesce(nullif(o.r ->> 'job_id', ''), 'job_' || replace(pg_temp.identifier(o.r -> 'id')::text, '-', '')) AS job_id,
        coalesce(nullif(o.r ->> 'model_id', ''), nullif(current_setting('vsl.fill_model_id', true), '')) AS model_id,
        coalesce(nullif(o.r ->> 'user_id', ''), nullif(current_setting('vsl.fill_user_id', true), '')) AS user_id,
        pg_temp.status(o.r ->> 'status') AS status,
        pg_temp.moment(o.r -> 'created_at') AS created_at,
        pg_temp.moment(o.r -> 'updated_at') AS updated_at,
        pg_temp.moment(o.r -> 'completed_at') AS completed_at
    FROM original_jobs o
),
placed AS (
    SELECT
        f.*,
        m.media_type AS makes,
        coalesce(pg_temp.media_type(f.r ->> 'media_type'), m.media_type) AS media_type,
        EXISTS (SELECT FROM repeated_keys k WHERE k.place = 'jobs.id' AND k.key = f.r ->> 'id') AS repeats_id,
        EXISTS (SELECT FROM repeated_keys k WHERE k.place = 'jobs.job_id' AND k.key = f.r ->> 'job_id') AS repeats_job_id
    FROM read f
    LEFT JOIN adopted_models m ON m.model_id = f.model_id AND m.refusals = '{}'
),
judged AS (
    SELECT
        p.*,
        array_remove(ARRAY[
            CASE WHEN coalesce(p.r ->> 'job_id', '') = '' THEN 'job_id:made' END,
            CASE WHEN coalesce(p.r ->> 'user_id', '') = '' AND p.user_id IS NOT NULL THEN 'user_id:given' END,
            CASE WHEN coalesce(p.r ->> 'model_id', '') = '' AND p.model_id IS NOT NULL THEN 'model_id:given' END,
            CASE WHEN p.media_type IS DISTINCT FROM p.r ->> 'media_type' AND p.media_type IS NOT NULL THEN
                CASE WHEN pg_temp.media_type(p.r ->> 'media_type') IS NULL THEN 'media_type:of_model' ELSE 'media_type:spelling' END
            END,
            CASE WHEN p.status IS DISTINCT FROM p.r ->> 'status' AND p.status IS NOT NULL THEN 'status:spelling' END,
            CASE WHEN p.created_at IS NULL AND coalesce(p.updated_at, p.completed_at) IS NOT NULL THEN 'created_at:filled' END,
            CASE WHEN p.updated_at IS NULL THEN 'updated_at:filled' END,
            CASE
                WHEN p.status = 'completed' AND p.completed_at IS NULL THEN 'completed_at:filled'
                WHEN p.status <> 'completed' AND p.completed_at IS NOT NULL THEN 'completed_at:not_completed'
            END,
            pg_temp.object_flaw('parameters', p.r -> 'parameters'),
            pg_temp.object_flaw('metadata', p.r -> 'metadata'),
            pg_temp.key_flaw('metadata', p.r -> 'metadata'),
            pg_temp.flaw('estimated_time', p.r -> 'estimated_time', 0, 0, 2147483648),
            pg_temp.amount_flaw('estimated_cost', p.r -> 'estimated_cost'),
            pg_temp.amount_flaw('actual_cost', p.r -> 'actual_cost'),
            pg_temp.flaw('actual_processing_time', p.r -> 'actual_processing_time', 3, 0, 1000000000),
            CASE WHEN p.r -> 'retry_count' = 'null' THEN 'retry_count:filled' END,
            pg_temp.flaw('retry_count', p.r -> 'retry_count', 0, 0, 2147483648)
        ], NULL) AS mends,
        array_remove(ARRAY[
            CASE WHEN p.id IS NULL THEN 'id:not_uuid' WHEN p.repeats_id THEN 'id:repeated' END,
            CASE WHEN p.repeats_job_id THEN 'job_id:repeated' WHEN NOT pg_temp.well_formed(p.job_id) THEN 'job_id:form' END,
            CASE WHEN p.user_id IS NULL THEN 'user_id:missing' WHEN NOT pg_temp.well_formed(p.user_id) THEN 'user_id:form' END,
            CASE
                WHEN p.model_id IS NULL THEN 'model_id:missing'
                WHEN p.makes IS NULL THEN 'model_id:refused'
                WHEN p.media_type <> p.makes THEN 'media_type:not_of_model'
            END,
            CASE WHEN p.status IS NULL THEN 'status:unknown' END,
            CASE WHEN coalesce(p.created_at, p.updated_at, p.completed_at) IS NULL THEN 'created_at:missing' END,
            CASE WHEN char_length(p.r ->> 'prompt') > 100000 THEN 'prompt:length' END
        ], NULL) AS refusals
    FROM placed p
    OFFSET 0 -- computed once for each row, however often it is named below
)
SELECT
    coalesce(j.r ->> 'id', j.r ->> 'job_id', '(none)') AS key,
    j.mends,
    j.refusals,
    j.id,
    j.job_id,
    j.media_type,
    j.model_id,
    j.status,
    j.r ->> 'replicate_id' AS replicate_id,
    pg_temp.object(j.r -> 'parameters') AS parameters,
    j.r ->> 'prompt' AS prompt,
    j.user_id,
    coalesce(j.created_at, j.updated_at, j.completed_at) AS created_at,
    coalesce(j.updated_at, j.completed_at, j.created_at) AS updated_at,
    CASE WHEN j.status = 'completed' THEN coalesce(j.completed_at, j.updated_at, j.created_at) END AS completed_at,
    pg_temp.fitting(j.r -> 'estimated_time', 0, 0, 2147483648)::integer AS estimated_time,
    pg_temp.amount(j.r -> 'estimated_cost') AS estimated_cost,
    pg_temp.fitting(j.r -> 'actual_processing_time', 3, 0, 1000000000) AS actual_processing_time,
    j.r ->> 'error_message' AS error_message,
    coalesce(pg_temp.fitting(j.r -> 'retry_count', 0, 0, 2147483648)::integer, 0) AS retry_count,
    pg_temp.with_kept(pg_temp.object(j.r -> 'metadata'), j.r, j.extra, j.mends) AS metadata,
    pg_temp.amount(j.r -> 'actual_cost') AS actual_cost
FROM judged j;

-- What outputs and usage need to know of their jobs.
CREATE TEMPORARY TABLE job_facts ON COMMIT DROP AS
SELECT a.id, a.job_id, a.media_type, a.user_id, coalesce(a.completed_at, a.created_at) AS ended_at, cardinality(a.refusals) > 0 AS refused
FROM adopted_jobs a
WHERE a.id IS NOT NULL;

ANALYZE job_facts;
