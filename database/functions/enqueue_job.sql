-- Puts a new driven job on the dispatch table, holds its money and wakes the workers.
CREATE OR REPLACE FUNCTION vsl.enqueue_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_lane text;
BEGIN
    INSERT INTO vsl.dispatch (job_id, lane, max_attempts, held)
    SELECT new.id, coalesce(m.lane, m.provider), m.max_attempts, new.estimated_cost
    FROM public.model_configurations m
    WHERE m.model_id = new.model_id
    RETURNING lane INTO v_lane;
    INSERT INTO vsl.ledger_entries (job_id, run, closes, kind, held, public_job_id, user_id, model_id)
    VALUES (new.id, 1, false, 'hold', new.estimated_cost, new.job_id, new.user_id, new.model_id);
    -- A NOTIFY takes a lock on the whole server at commit. VSL's own client switches this off for
    -- its transaction and notifies after it; an INSERT typed by a person is woken for here.
    -- The server sends equal notifications of one transaction once.
    IF current_setting('vsl.notify', true) IS DISTINCT FROM 'off' THEN
        PERFORM pg_notify('vsl_work', v_lane);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vsl.enqueue_job() IS 'Dispatches a new driven job, holds its money and wakes the workers.';

CREATE OR REPLACE TRIGGER enqueue_job AFTER INSERT ON public.jobs
FOR EACH ROW WHEN (new.driven) EXECUTE FUNCTION vsl.enqueue_job();
