-- Whether a worker's connection for notifications is there and has said what it wants to hear.
SELECT count(*) = 1
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'vsl listen %:%' AND state = 'idle' AND query <> '';
