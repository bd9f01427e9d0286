-- Let the server notice within seconds that its client was killed, and stop what it did for it. Not every
-- operating system can.
SELECT set_config('client_connection_check_interval', '2s', false);
