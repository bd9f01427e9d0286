-- Runs a failed or cancelled job again: the only way out of a final status. A driven job gets a new
-- run, with a hold at today's price.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.retry_job(p_job_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
    v_job public.jobs;
    v_model public.model_configurations;
    v_price numeric;
    v_run smallint;
BEGIN
    SELECT * INTO v_job FROM public.jobs j WHERE j.job_id = p_job_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'VS004', MESSAGE = format('there is no job %L', left(p_job_id, 255));
    END IF;
    IF v_job.status NOT IN ('failed', 'cancelled') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS002',
            MESSAGE = format('job %s is %s; only failed and cancelled jobs can be retried', p_job_id, v_job.status),
            HINT = CASE
                WHEN v_job.status = 'completed' THEN 'Submit a new job to make the media again.'
                ELSE 'It is tried again by itself while its model allows; cancel it to start over.'
            END;
    END IF;
    IF v_job.driven THEN
        SELECT * INTO v_model FROM public.model_configurations m WHERE m.model_id = v_job.model_id;
        IF NOT FOUND OR v_model.provider = 'external' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'VS002',
                MESSAGE = format('job %s cannot be retried: VSL no longer runs model %L', p_job_id, v_job.model_id);
        END IF;
        v_price := vsl.price_of_job(v_model.model_id, v_model.is_active, v_model.is_free, v_model.pricing_per_unit);
        SELECT max(l.run) + 1 INTO v_run FROM vsl.ledger_entries l WHERE l.job_id = v_job.id;
        INSERT INTO vsl.dispatch (job_id, lane, max_attempts, run, held)
        VALUES (v_job.id, coalesce(v_model.lane, v_model.provider), v_model.max_attempts, v_run, v_price);
        INSERT INTO vsl.ledger_entries (job_id, run, closes, kind, held, public_job_id, user_id, model_id)
        VALUES (v_job.id, v_run, false, 'hold', v_price, v_job.job_id, v_job.user_id, v_job.model_id);
        PERFORM pg_notify('vsl_work', coalesce(v_model.lane, v_model.provider));
    END IF;
    UPDATE public.jobs j
    SET status = 'pending', updated_at = now(), retry_count = j.retry_count + 1, error_code = NULL, error_message = NULL,
        cancel_requested_at = NULL, replicate_id = CASE WHEN v_job.driven THEN NULL ELSE j.replicate_id END,
        estimated_cost = coalesce(v_price, j.estimated_cost)
    WHERE j.id = v_job.id;
END
$$;
COMMENT ON FUNCTION vsl.retry_job(text) IS 'Runs a failed or cancelled job again.';
