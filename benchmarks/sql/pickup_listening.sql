-- Whether a worker hears notifications by now.
SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'vsl listen %:%' AND state = 'idle' AND query LIKE 'LISTEN%';
