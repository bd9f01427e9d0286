-- Copy the outputs.
INSERT INTO public.media_outputs (
    id, job_id, media_type, s3_key, s3_url, s3_bucket, file_type, file_size, duration, width, height, fps, bitrate, thumbnail_url,
    preview_url, waveform_url, metadata, created_at
)
SELECT
    coalesce(a.id, vsl.uuid7()), a.job_id, a.media_type, a.s3_key, a.s3_url, a.s3_bucket, a.file_type, a.file_size, a.duration,
    a.width, a.height, a.fps, a.bitrate, a.thumbnail_url, a.preview_url, a.waveform_url, a.metadata, a.created_at
FROM adopted_outputs a
WHERE cardinality(a.refusals) = 0;
