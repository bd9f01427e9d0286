-- The usage as VSL would hold it; mends and refusals as with jobs. It has no place for what was mended, so amounts
-- that cannot be are refused.
CREATE TEMPORARY VIEW adopted_usage AS
WITH read AS (
    SELECT
        o.r,
        pg_temp.identifier(o.r -> 'id') AS id,
        j.id AS job_id,
        j.job_id AS public_job_id,
        j.refused AS job_refused,
        coalesce(nullif(o.r ->> 'user_id', ''), j.user_id, nullif(current_setting('vsl.fill_user_id', true), '')) AS user_id,
        coalesce(pg_temp.moment(o.r -> 'created_at'), j.ended_at) AS created_at,
        substring(o.r ->> 'billing_period' FROM '^([0-9]{4}-(?:0[1-9]|1[0-2]))(?:-[0-3][0-9].*)?$') AS billing_period
    FROM original_usage o
    LEFT JOIN job_facts j ON j.id = pg_temp.identifier(o.r -> 'job_id')
),
judged AS (
    SELECT
        f.*,
        array_remove(ARRAY[
            CASE WHEN f.id IS NULL THEN 'id:made' END,
            CASE WHEN f.job_id IS NULL AND f.r ->> 'job_id' IS NOT NULL THEN 'job_id:gone' END,
            CASE
                WHEN coalesce(f.r ->> 'user_id', '') <> '' OR f.user_id IS NULL THEN NULL
                WHEN f.job_id IS NOT NULL THEN 'user_id:of_job'
                ELSE 'user_id:given'
            END,
            CASE WHEN pg_temp.amount_flaw('', f.r -> 'estimated_cost') = ':rounded' THEN 'estimated_cost:rounded' END,
            CASE WHEN pg_temp.amount_flaw('', f.r -> 'actual_cost') = ':rounded' THEN 'actual_cost:rounded' END,
            CASE
                WHEN pg_temp.flaw('', f.r -> 'processing_time_seconds', 3, 0, 1000000000) = ':rounded' THEN 'processing_time_seconds:rounded'
            END,
            CASE WHEN f.r -> 'api_calls_count' = 'null' THEN 'api_calls_count:filled' END,
            CASE WHEN pg_temp.moment(f.r -> 'created_at') IS NULL THEN 'created_at:of_job' END,
            CASE
                WHEN f.billing_period <> f.r ->> 'billing_period' THEN 'billing_period:shortened'
                WHEN coalesce(f.r ->> 'billing_period', '') = '' THEN 'billing_period:of_time'
            END
        ], NULL) AS mends,
        array_remove(ARRAY[
            CASE
                WHEN f.id IS NOT NULL AND EXISTS (SELECT FROM repeated_keys k WHERE k.place = 'usage_tracking.id' AND k.key = f.r ->> 'id') THEN 'id:repeated'
            END,
            CASE WHEN f.job_refused THEN 'job_id:refused' END,
            CASE WHEN f.user_id IS NULL THEN 'user_id:missing' END,
            CASE WHEN pg_temp.amount_flaw('', f.r -> 'estimated_cost') = ':impossible' THEN 'estimated_cost:impossible' END,
            CASE WHEN pg_temp.amount_flaw('', f.r -> 'actual_cost') = ':impossible' THEN 'actual_cost:impossible' END,
            CASE
                WHEN pg_temp.flaw('', f.r -> 'processing_time_seconds', 3, 0, 1000000000) = ':impossible'
                THEN 'processing_time_seconds:impossible'
            END,
            CASE WHEN pg_temp.flaw('', f.r -> 'api_calls_count', 0, 0, 2147483648) IS NOT NULL THEN 'api_calls_count:impossible' END,
            CASE WHEN f.created_at IS NULL THEN 'created_at:missing' END,
            CASE WHEN f.billing_period IS NULL AND coalesce(f.r ->> 'billing_period', '') <> '' THEN 'billing_period:form' END
        ], NULL) AS refusals
    FROM read f
    OFFSET 0 -- computed once for each row, however often it is named below
)
SELECT
    coalesce(j.r ->> 'id', '(none)') AS key,
    j.mends,
    j.refusals,
    j.id,
    j.job_id,
    j.user_id,
    pg_temp.amount(j.r -> 'estimated_cost') AS estimated_cost,
    pg_temp.amount(j.r -> 'actual_cost') AS actual_cost,
    pg_temp.fitting(j.r -> 'processing_time_seconds', 3, 0, 1000000000) AS processing_time_seconds,
    coalesce(pg_temp.fitting(j.r -> 'api_calls_count', 0, 0, 2147483648)::integer, 1) AS api_calls_count,
    j.created_at,
    coalesce(j.billing_period, to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM')) AS billing_period,
    -- Of a job that is gone, its identifier is all that is known.
    coalesce(j.public_job_id, j.r ->> 'job_id') AS public_job_id
FROM judged j;
