-- A page of the rows that refer to objects in a store, by key.
SELECT id, storage_key, bucket, file_size, is_marked
FROM vsl.list_stored(%(after_key)s::text, %(after_id)s::uuid, %(count)s::integer);
