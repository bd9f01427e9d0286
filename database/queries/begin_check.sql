-- Make this transaction a harmless one: it only reads, and gives up soon. `program` tells the checks
-- what schema this program needs, in the setting vsl.program.
SELECT set_config(s.name, s.value, true)
FROM (
    VALUES
        ('application_name', 'vsl doctor'),
        ('transaction_read_only', 'on'),
        ('default_transaction_read_only', 'on'),
        ('statement_timeout', '10s'),
        ('lock_timeout', '1s'),
        ('search_path', 'pg_catalog'),
        ('jit', 'off'),
        ('vsl.program', (%(program)s::jsonb)::text)
) AS s (name, value);
