-- The one way that driven jobs end: status, outputs, settled money, usage and the end of the
-- dispatch row, all or nothing for the whole batch. Internal: finish_jobs, fail_job, cancel_job and
-- rescue_jobs call it. p_results is an array of objects as finish_jobs describes.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.end_jobs(p_results jsonb)
RETURNS TABLE (id uuid, result text, outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, vsl, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_live uuid[];
    v_attempts uuid[];
    v_epochs bigint[];
    v_outcomes text[];
    v_times numeric[];
    v_codes text[];
    v_messages text[];
    v_outputs jsonb[];
    v_charges numeric[];
    v_runs smallint[];
    v_calls smallint[];
    v_held numeric[];
BEGIN
    -- Locks in the order of job ids, so that two batches cannot wait for each other. Everything
    -- after this works from arrays: the planner then expects few rows and goes by the keys.
    SELECT
        array_agg(l.job_id), array_agg(l.attempt_id), array_agg(l.epoch),
        -- Nothing is completed without an attempt and its outputs.
        array_agg(CASE WHEN l.outcome <> 'completed' OR (l.attempt_id IS NOT NULL AND jsonb_array_length(l.outputs) > 0) THEN l.outcome END),
        array_agg(l.processing_time),
        array_agg(l.error_code), array_agg(left(l.error_message, 2000)), array_agg(l.outputs),
        -- What an outcome costs is decided here and nowhere else; NULL releases the hold.
        array_agg(CASE WHEN l.outcome = 'completed' OR l.spent THEN l.held END),
        array_agg(l.run), array_agg(l.attempts), array_agg(l.held)
    INTO
        v_live, v_attempts, v_epochs, v_outcomes, v_times, v_codes, v_messages, v_outputs,
        v_charges, v_runs, v_calls, v_held
    FROM (
        SELECT r.*, d.run, d.attempts, d.held
        FROM vsl.parse_results(p_results) r
        JOIN vsl.dispatch d ON d.job_id = r.job_id
        WHERE d.epoch = r.epoch AND d.attempt_id IS NOT DISTINCT FROM r.attempt_id
        ORDER BY d.job_id
        FOR UPDATE OF d
    ) l;

    IF v_live IS NOT NULL THEN
        IF NOT v_outcomes <@ ARRAY['completed', 'failed', 'cancelled'] THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = 'outcome must be completed (by an attempt, with outputs), failed or cancelled',
                SCHEMA = 'vsl', TABLE = 'attempts', CONSTRAINT = 'attempts_outcome_known';
        ELSIF 0 > ANY (v_times) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = 'processing_time must not be negative',
                SCHEMA = 'public', TABLE = 'jobs', CONSTRAINT = 'jobs_processing_time_not_negative';
        END IF;
        WITH ended AS (
            UPDATE public.jobs j
            SET status = e.outcome,
                completed_at = CASE WHEN e.outcome = 'completed' THEN now() END,
                actual_processing_time = coalesce(e.processing_time, j.actual_processing_time),
                actual_cost = coalesce(j.actual_cost, 0) + coalesce(e.charge, 0),
                error_code = e.error_code,
                error_message = e.error_message,
                updated_at = now()
            FROM unnest(v_live, v_outcomes, v_times, v_codes, v_messages, v_charges, v_runs, v_calls, v_held)
                AS e (job_id, outcome, processing_time, error_code, error_message, charge, run, calls, held)
            WHERE j.id = e.job_id
            RETURNING j.id, j.job_id, j.user_id, j.model_id, e.*
        ), closed AS (
            INSERT INTO vsl.ledger_entries (job_id, public_job_id, user_id, model_id, run, closes, kind, held, charged)
            SELECT
                e.id, e.job_id, e.user_id, e.model_id, e.run, true,
                CASE WHEN e.charge IS NULL THEN 'release' ELSE 'settle' END, -e.held, coalesce(e.charge, 0)
            FROM ended AS e (id, job_id, user_id, model_id, same_id, outcome, processing_time, error_code, error_message, charge, run, calls, held)
        )
        INSERT INTO public.usage_tracking
            (job_id, public_job_id, user_id, run, estimated_cost, actual_cost, processing_time_seconds, api_calls_count)
        SELECT e.id, e.job_id, e.user_id, e.run, e.held, coalesce(e.charge, 0), e.processing_time, e.calls
        FROM ended AS e (id, job_id, user_id, model_id, same_id, outcome, processing_time, error_code, error_message, charge, run, calls, held);

        UPDATE vsl.attempts a
        SET outcome = e.outcome,
            -- A claim that ends what it never took up is the one that its repetition will name.
            epoch = e.epoch,
            ended_at = now(),
            cost = coalesce(e.charge, 0),
            processing_time = coalesce(e.processing_time, a.processing_time),
            error_code = e.error_code,
            error_message = e.error_message
        FROM unnest(v_attempts, v_epochs, v_outcomes, v_times, v_codes, v_messages, v_charges)
            AS e (attempt_id, epoch, outcome, processing_time, error_code, error_message, charge)
        WHERE a.id = e.attempt_id;

        INSERT INTO public.media_outputs (
            job_id, attempt_id, ordinal, media_type, s3_key, s3_url, s3_bucket, file_type, file_size,
            duration, width, height, fps, bitrate, codec, sha256, metadata
        )
        SELECT
            e.job_id, e.attempt_id, o.ordinal, o.media_type, o.s3_key, o.s3_url, o.s3_bucket, o.file_type, o.file_size,
            o.duration, o.width, o.height, o.fps, o.bitrate, o.codec, o.sha256, o.metadata
        FROM unnest(v_live, v_attempts, v_outcomes, v_outputs) AS e (job_id, attempt_id, outcome, outputs)
        CROSS JOIN LATERAL jsonb_to_recordset(e.outputs) AS o (
            ordinal integer, media_type text, s3_key text, s3_url text, s3_bucket text, file_type text, file_size bigint,
            duration numeric, width integer, height integer, fps numeric, bitrate bigint, codec text, sha256 text, metadata jsonb
        )
        WHERE e.outcome = 'completed';

        DELETE FROM vsl.dispatch d WHERE d.job_id = ANY (v_live);
    END IF;

    IF cardinality(v_live) = jsonb_array_length(p_results) THEN
        RETURN QUERY
        SELECT e.job_id, 'finished', e.outcome FROM unnest(v_live, v_outcomes) AS e (job_id, outcome);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        r.job_id,
        CASE WHEN r.job_id = ANY (v_live) THEN 'finished' WHEN a.outcome IS NOT NULL THEN 'repeated' ELSE 'stale' END,
        CASE WHEN r.job_id = ANY (v_live) THEN r.outcome ELSE a.outcome END
    FROM vsl.parse_results(p_results) r
    LEFT JOIN vsl.attempts a ON a.id = r.attempt_id AND a.epoch = r.epoch AND a.job_id = r.job_id;
END
$$;
COMMENT ON FUNCTION vsl.end_jobs(jsonb) IS 'The one way that driven jobs end; internal.';
