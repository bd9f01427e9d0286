-- Settings of the transaction in which an original layout is looked at or adopted. Names of users' objects are printed with their
-- schema; times without a zone are of the given one; nothing waits long for a lock, and nothing else ends it.
SELECT concat(
    set_config('search_path', 'pg_catalog', true),
    set_config('TimeZone', coalesce(%(time_zone)s::text, current_setting('TimeZone')), true),
    set_config('vsl.fill_user_id', coalesce(%(user_id)s::text, ''), true),
    set_config('vsl.fill_model_id', coalesce(%(model_id)s::text, ''), true),
    set_config('lock_timeout', '5s', true),
    set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true),
    -- Rows that a policy hides would be left behind in silence; this makes it an error.
    set_config('row_security', 'off', true),
    set_config('client_min_messages', 'warning', true),
    -- Compiling expressions as long as these takes longer than they do.
    set_config('jit', 'off', true),
    -- The planner cannot know how many rows agree in values out of JSON, and would compare each with each.
    set_config('enable_nestloop', 'off', true)
);
