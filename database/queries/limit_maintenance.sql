-- For this session: how long a statement may wait for a lock, and how long it may take; 0 for any time.
SELECT count(set_config(s.name, s.value, false))
FROM (VALUES ('lock_timeout', %(lock)s::text), ('statement_timeout', %(statement)s::text)) AS s (name, value);
