-- The outputs as VSL would hold them; mends, refusals and metadata as with jobs.
CREATE TEMPORARY VIEW adopted_outputs AS
WITH read AS (
    SELECT
        o.r,
        o.extra,
        pg_temp.identifier(o.r -> 'id') AS id,
        j.id AS job_id,
        j.refused AS job_refused,
        j.media_type AS makes,
        coalesce(pg_temp.media_type(o.r ->> 'media_type'), CASE WHEN coalesce(o.r ->> 'media_type', '') = '' THEN j.media_type END) AS media_type,
        coalesce(pg_temp.moment(o.r -> 'created_at'), j.ended_at) AS created_at
    FROM original_outputs o
    LEFT JOIN job_facts j ON j.id = pg_temp.identifier(o.r -> 'job_id')
),
judged AS (
    SELECT
        f.*,
        array_remove(ARRAY[
            CASE WHEN f.id IS NULL THEN 'id:made' END,
            CASE WHEN f.media_type IS DISTINCT FROM f.r ->> 'media_type' AND f.media_type IS NOT NULL THEN
                CASE WHEN coalesce(f.r ->> 'media_type', '') = '' THEN 'media_type:of_job' ELSE 'media_type:spelling' END
            END,
            pg_temp.flaw('file_size', f.r -> 'file_size', 0, 1, 9223372036854775808),
            CASE
                WHEN f.media_type = 'image' AND coalesce(f.r -> 'duration', 'null') <> 'null' THEN 'duration:not_of_image'
                ELSE pg_temp.flaw('duration', f.r -> 'duration', 3, 0.001, 1000000000)
            END,
            CASE
                WHEN f.media_type = 'audio' AND coalesce(f.r -> 'width', 'null') <> 'null' THEN 'width:not_of_audio'
                ELSE pg_temp.flaw('width', f.r -> 'width', 0, 1, 2147483648)
            END,
            CASE
                WHEN f.media_type = 'audio' AND coalesce(f.r -> 'height', 'null') <> 'null' THEN 'height:not_of_audio'
                ELSE pg_temp.flaw('height', f.r -> 'height', 0, 1, 2147483648)
            END,
            CASE
                WHEN f.media_type = 'image' AND coalesce(f.r -> 'fps', 'null') <> 'null' THEN 'fps:not_of_image'
                WHEN f.media_type = 'audio' AND coalesce(f.r -> 'fps', 'null') <> 'null' THEN 'fps:not_of_audio'
                ELSE pg_temp.flaw('fps', f.r -> 'fps', 3, 0.001, 100000)
            END,
            CASE
                WHEN f.media_type = 'image' AND coalesce(f.r -> 'bitrate', 'null') <> 'null' THEN 'bitrate:not_of_image'
                ELSE pg_temp.flaw('bitrate', f.r -> 'bitrate', 0, 1, 9223372036854775808)
            END,
            pg_temp.object_flaw('metadata', f.r -> 'metadata'),
            pg_temp.key_flaw('metadata', f.r -> 'metadata'),
            CASE WHEN pg_temp.moment(f.r -> 'created_at') IS NULL THEN 'created_at:of_job' END
        ], NULL) AS mends,
        array_remove(ARRAY[
            CASE
                WHEN f.id IS NOT NULL AND EXISTS (SELECT FROM repeated_keys k WHERE k.place = 'media_outputs.id' AND k.key = f.r ->> 'id') THEN 'id:repeated'
            END,
            CASE WHEN f.job_id IS NULL THEN 'job_id:missing' WHEN f.job_refused THEN 'job_id:refused' END,
            CASE
                WHEN f.job_id IS NULL OR f.job_refused THEN NULL
                WHEN f.media_type IS NULL THEN 'media_type:unknown'
                WHEN f.media_type <> f.makes THEN 'media_type:not_of_job'
            END
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
    j.media_type,
    j.r ->> 's3_key' AS s3_key,
    j.r ->> 's3_url' AS s3_url,
    j.r ->> 's3_bucket' AS s3_bucket,
    j.r ->> 'file_type' AS file_type,
    pg_temp.fitting(j.r -> 'file_size', 0, 1, 9223372036854775808)::bigint AS file_size,
    CASE WHEN j.media_type <> 'image' THEN pg_temp.fitting(j.r -> 'duration', 3, 0.001, 1000000000) END AS duration,
    CASE WHEN j.media_type <> 'audio' THEN pg_temp.fitting(j.r -> 'width', 0, 1, 2147483648)::integer END AS width,
    CASE WHEN j.media_type <> 'audio' THEN pg_temp.fitting(j.r -> 'height', 0, 1, 2147483648)::integer END AS height,
    CASE WHEN j.media_type = 'video' THEN pg_temp.fitting(j.r -> 'fps', 3, 0.001, 100000) END AS fps,
    CASE WHEN j.media_type <> 'image' THEN pg_temp.fitting(j.r -> 'bitrate', 0, 1, 9223372036854775808)::bigint END AS bitrate,
    j.r ->> 'thumbnail_url' AS thumbnail_url,
    j.r ->> 'preview_url' AS preview_url,
    j.r ->> 'waveform_url' AS waveform_url,
    pg_temp.with_kept(pg_temp.object(j.r -> 'metadata'), j.r, j.extra, j.mends) AS metadata,
    j.created_at
FROM judged j;
