-- Objects to remove from the store.
SELECT id, storage_key FROM vsl.take_doomed(%(bucket)s::text, %(count)s::integer);
