-- The models as VSL would hold them, all of them `external`: those of the original registry, and those that only
-- jobs name. mends: what is changed on the way, as column:rule; refusals: why a row cannot be had, likewise.
CREATE TEMPORARY TABLE adopted_models ON COMMIT DROP AS
WITH named AS (
    -- What the jobs make with each model, the most frequent first.
    SELECT
        n.model_id, n.media_type,
        row_number() OVER (PARTITION BY n.model_id ORDER BY n.media_type IS NULL, n.jobs DESC, n.media_type) AS place
    FROM (
        SELECT
            coalesce(nullif(o.r ->> 'model_id', ''), nullif(current_setting('vsl.fill_model_id', true), '')) AS model_id,
            pg_temp.media_type(o.r ->> 'media_type') AS media_type,
            count(*) AS jobs
        FROM original_jobs o
        GROUP BY 1, 2
    ) n
    WHERE n.model_id IS NOT NULL
),
listed AS (
    SELECT
        o.r, o.extra, nullif(o.r ->> 'model_id', '') AS model_id, true AS registered,
        coalesce(pg_temp.media_type(o.r ->> 'media_type'), n.media_type) AS media_type,
        count(*) OVER (PARTITION BY o.r ->> 'model_id') > 1 AS repeated
    FROM original_models o
    LEFT JOIN named n ON n.model_id = o.r ->> 'model_id' AND n.place = 1
    UNION ALL
    SELECT '{}', '{}', n.model_id, false, n.media_type, false
    FROM named n
    WHERE n.place = 1 AND NOT EXISTS (SELECT FROM original_models o WHERE o.r ->> 'model_id' = n.model_id)
),
judged AS (
    SELECT
        l.*,
        CASE WHEN l.registered THEN array_remove(ARRAY[
            CASE WHEN pg_temp.identifier(l.r -> 'id') IS NULL THEN 'id:made' END,
            CASE WHEN l.media_type IS DISTINCT FROM l.r ->> 'media_type' AND l.media_type IS NOT NULL THEN
                CASE WHEN pg_temp.media_type(l.r ->> 'media_type') IS NULL THEN 'media_type:of_jobs' ELSE 'media_type:spelling' END
            END,
            CASE WHEN pg_temp.truth(l.r -> 'is_active') IS NULL AND l.r -> 'is_active' IS NOT NULL THEN 'is_active:filled' END,
            CASE WHEN pg_temp.truth(l.r -> 'is_beta') IS NULL AND l.r -> 'is_beta' IS NOT NULL THEN 'is_beta:filled' END,
            pg_temp.object_flaw('configuration', l.r -> 'configuration'),
            pg_temp.key_flaw('configuration', l.r -> 'configuration'),
            pg_temp.object_flaw('supported_parameters', l.r -> 'supported_parameters'),
            pg_temp.amount_flaw('pricing_per_unit', l.r -> 'pricing_per_unit'),
            pg_temp.flaw('estimated_time_seconds', l.r -> 'estimated_time_seconds', 0, 1, 2147483648),
            CASE WHEN jsonb_typeof(l.r -> 'tags') NOT IN ('array', 'null') THEN 'tags:not_list' END,
            CASE WHEN pg_temp.moment(l.r -> 'created_at') IS NULL THEN 'created_at:filled' END,
            CASE WHEN pg_temp.moment(l.r -> 'updated_at') IS NULL THEN 'updated_at:filled' END
        ], NULL) ELSE '{model_id:added}' END AS mends,
        array_remove(ARRAY[
            CASE WHEN l.model_id IS NULL THEN 'model_id:missing' WHEN NOT pg_temp.well_formed(l.model_id) THEN 'model_id:form' END,
            CASE WHEN l.repeated THEN 'model_id:repeated' END,
            CASE WHEN l.media_type IS NULL THEN 'media_type:unknown' END
        ], NULL) AS refusals
    FROM listed l
    OFFSET 0 -- computed once for each row, however often it is named below
)
SELECT
    coalesce(j.model_id, j.r ->> 'id', '(none)') AS key,
    j.mends,
    j.refusals,
    pg_temp.identifier(j.r -> 'id') AS id,
    j.model_id,
    j.media_type,
    j.r ->> 'provider' AS original_provider,
    j.r ->> 'replicate_version' AS replicate_version,
    j.r ->> 'replicate_owner' AS replicate_owner,
    j.r ->> 'replicate_model' AS replicate_model,
    coalesce(pg_temp.truth(j.r -> 'is_active'), true) AS is_active,
    coalesce(pg_temp.truth(j.r -> 'is_beta'), false) AS is_beta,
    pg_temp.with_kept(pg_temp.object(j.r -> 'configuration'), j.r, j.extra, j.mends) AS configuration,
    pg_temp.object(j.r -> 'supported_parameters') AS supported_parameters,
    pg_temp.amount(j.r -> 'pricing_per_unit') AS pricing_per_unit,
    pg_temp.fitting(j.r -> 'estimated_time_seconds', 0, 1, 2147483648)::integer AS estimated_time_seconds,
    j.r ->> 'description' AS description,
    CASE WHEN jsonb_typeof(j.r -> 'tags') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(j.r -> 'tags')) ELSE '{}' END AS tags,
    coalesce(pg_temp.moment(j.r -> 'created_at'), pg_temp.moment(j.r -> 'updated_at'), now()) AS created_at,
    coalesce(pg_temp.moment(j.r -> 'updated_at'), pg_temp.moment(j.r -> 'created_at'), now()) AS updated_at
FROM judged j;

ANALYZE adopted_models;
