-- Forget objects that were removed from the store.
SELECT vsl.drop_doomed(%(ids)s::bigint[]);
