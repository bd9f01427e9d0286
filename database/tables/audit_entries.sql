-- Administrative acts: who ended whose session, who edited the ledger of migrations. Rows come from
-- vsl.record_act and are only added.
CREATE TABLE vsl.audit_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    -- The login, whatever role it has taken since.
    actor text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    act text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE vsl.audit_entries IS 'Administrative acts: who did what, and when.';
