-- How long the next statement may wait for a lock, in milliseconds.
SELECT pg_catalog.set_config('lock_timeout', %(lock_timeout_ms)s::text, false);
