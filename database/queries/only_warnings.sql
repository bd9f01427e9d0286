-- Let a transaction's scripts say what went wrong, and nothing else.
SELECT set_config('client_min_messages', 'warning', true);
