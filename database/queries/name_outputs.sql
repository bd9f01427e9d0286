-- Outputs with their jobs and the marks of missing files.
SELECT id, job_id, ordinal, storage_key, file_size, missing_since, damaged_since
FROM vsl.name_outputs(%(ids)s::uuid[]);
