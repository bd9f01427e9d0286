-- A job's stored files, in order.
SELECT
    o.ordinal, o.media_type, o.s3_key, o.s3_url, o.s3_bucket, o.file_type, o.file_size, o.duration, o.width, o.height,
    o.fps, o.bitrate, o.codec, o.sha256, o.created_at
FROM media_outputs o
JOIN jobs j ON j.id = o.job_id
WHERE j.job_id = %(job_id)s::text
ORDER BY o.ordinal, o.created_at;
