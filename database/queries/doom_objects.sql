-- Hand objects that were stored in vain to removal.
SELECT vsl.doom_objects(%(keys)s::text[], %(bucket)s::text, %(reason)s::text);
