-- Write down an administrative act, such as the end of a session. Runs as its owner, so that nobody
-- else can write to the table; the login is recorded, and no caller can choose it. Returns the row's id.
CREATE OR REPLACE FUNCTION vsl.record_act(p_act text, p_subject text, p_detail jsonb) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO vsl.audit_entries (act, subject, detail)
    VALUES (p_act, p_subject, coalesce(p_detail, '{}'))
    RETURNING id;
END;
COMMENT ON FUNCTION vsl.record_act(text, text, jsonb) IS 'Write down an administrative act.';
