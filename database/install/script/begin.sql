\set ON_ERROR_STOP on
\set QUIET on
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK off
\o /dev/null

-- One installer or runner of migrations at a time in a database. The lock goes at the end, or with the session.
DO $$
BEGIN
    IF NOT pg_try_advisory_lock(hashtext('vsl'), hashtext('migrate')) THEN
        RAISE EXCEPTION 'an installer, or "vsl db migrate", is at work in database %; nothing was changed', current_database()
            USING HINT = 'Run this again once it has ended.';
    END IF;
END
$$;

-- Only for a database with the versions for which this was written. In parentheses: how many statements are done of
-- one that was begun and not ended.
DO $$
DECLARE
    v_versions text := '';
BEGIN
    IF to_regclass('public.schema_migrations') IS NOT NULL THEN
        EXECUTE $query$
            SELECT coalesce(string_agg(
                m.version || CASE
                    WHEN to_jsonb(m) ->> 'state' IN ('running', 'failed')
                    THEN '(' || coalesce(to_jsonb(m) ->> 'statements_done', '0') || ')'
                    ELSE ''
                END,
                ' ' ORDER BY m.version COLLATE "C"
            ), '')
            FROM public.schema_migrations m
        $query$ INTO v_versions;
    END IF;
    IF v_versions <> {{versions}} THEN
        RAISE EXCEPTION 'this script is for a database with the versions "%", and % has "%"; nothing was changed',
            {{versions}}, current_database(), v_versions
            USING HINT = 'Write a new one with "vsl db sql".';
    END IF;
END
$$;
