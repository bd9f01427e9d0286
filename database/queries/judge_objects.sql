-- What the database knows of objects in a bucket.
SELECT storage_key, is_recorded, is_doomed, is_live, is_unknown
FROM vsl.judge_objects(%(keys)s::text[], %(epochs)s::bigint[], %(bucket)s::text);
