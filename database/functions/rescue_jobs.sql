-- Frees up to p_limit jobs whose lease is past due, so that any worker can take them on. A job that
-- has lost its worker five times in the middle of an attempt and then loses another ends, failed or,
-- when that was asked for, cancelled: it may be what kills them. A paid prediction is not forgotten for
-- that: its job is freed all the same, after a pause, until its outputs are gone at the provider.
-- Its planner settings: see claim_jobs.
CREATE OR REPLACE FUNCTION vsl.rescue_jobs(p_limit integer)
RETURNS TABLE (id uuid, lost_worker text, result text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    c_most_rescues CONSTANT smallint := 5;
    v_lost record;
    v_provider text;
    v_expired boolean;
    v_pause double precision;
BEGIN
    FOR v_lost IN
        SELECT d.job_id, d.worker, d.epoch, d.attempt_id, d.rescues
        FROM vsl.dispatch d
        WHERE d.worker IS NOT NULL AND d.lease_until < now()
        ORDER BY d.job_id
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        id := v_lost.job_id;
        lost_worker := v_lost.worker;
        v_pause := 0;
        v_provider := NULL;
        IF v_lost.attempt_id IS NOT NULL AND v_lost.rescues >= c_most_rescues THEN
            SELECT a.provider, coalesce(a.outputs_expire_at < now(), false) INTO v_provider, v_expired
            FROM vsl.attempts a WHERE a.id = v_lost.attempt_id;
        END IF;
        IF v_provider = 'replicate' AND v_expired THEN
            SELECT e.outcome INTO result FROM vsl.end_jobs(jsonb_build_array(jsonb_build_object(
                'job_id', v_lost.job_id, 'attempt_id', v_lost.attempt_id, 'epoch', v_lost.epoch,
                'outcome', 'failed', 'spent', true, 'error_code', 'output_expired',
                'error_message', format(
                    'its worker was lost %s times, and its outputs are gone at the provider; the prediction was paid for',
                    v_lost.rescues + 1
                )
            ))) e;
        ELSIF v_provider <> 'replicate' THEN
            result := vsl.fail_job(
                v_lost.job_id, v_lost.epoch, v_lost.attempt_id, 'worker_lost',
                format('its worker was lost %s times while it ran', v_lost.rescues + 1), false
            );
        ELSE
            IF v_provider = 'replicate' THEN
                v_pause := vsl.backoff_seconds(v_lost.rescues - c_most_rescues + 1);
            END IF;
            UPDATE vsl.dispatch d
            SET worker = NULL, lease_until = NULL, due_at = now() + make_interval(secs => v_pause),
                rescues = d.rescues + (d.attempt_id IS NOT NULL)::integer
            WHERE d.job_id = v_lost.job_id;
            result := 'freed';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vsl.rescue_jobs(integer) IS 'Frees jobs whose lease is past due.';
