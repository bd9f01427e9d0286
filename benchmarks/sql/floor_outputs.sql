-- The stored files.
INSERT INTO floor_outputs (
    job_id, attempt_id, ordinal, media_type, s3_key, s3_url, s3_bucket, file_type, file_size, width, height, codec,
    sha256, metadata
)
SELECT *
FROM unnest(
    %(jobs)s::uuid[], %(attempts)s::uuid[], %(ordinals)s::integer[], %(media_types)s::text[], %(keys)s::text[],
    %(urls)s::text[], %(buckets)s::text[], %(file_types)s::text[], %(sizes)s::bigint[], %(widths)s::integer[],
    %(heights)s::integer[], %(codecs)s::text[], %(digests)s::text[], %(details)s::jsonb[]
);
