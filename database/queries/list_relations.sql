-- The relations that are there, by their numbers, so that new ones can be told from them.
SELECT c.oid::bigint FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'i', 'I', 'S', 'v', 'm', 'f');
