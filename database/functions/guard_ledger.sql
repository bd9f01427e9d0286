-- The ledger is only added to.
CREATE OR REPLACE FUNCTION vsl.guard_ledger() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'VS001',
        MESSAGE = format('ledger entries are only added, never changed or removed (%s)', tg_op),
        HINT = 'Correct a mistake with a further entry.';
END
$$;
COMMENT ON FUNCTION vsl.guard_ledger() IS 'Refuses to change or remove ledger entries.';

CREATE OR REPLACE TRIGGER guard_ledger BEFORE UPDATE OR DELETE OR TRUNCATE ON vsl.ledger_entries
FOR EACH STATEMENT EXECUTE FUNCTION vsl.guard_ledger();
