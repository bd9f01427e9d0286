-- Let this transaction, which writes down an administrative act, hold nobody up.
-- An incident waits neither for a lock nor for a standby.
SELECT count(set_config(s.name, s.value, true))
FROM (VALUES ('lock_timeout', '1s'), ('statement_timeout', '3s'), ('synchronous_commit', 'local')) AS s (name, value);
