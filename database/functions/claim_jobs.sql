-- Gives a worker up to p_limit due jobs of its lanes, longest due first within a lane, under a lease
-- that ends p_lease_seconds from now unless it is extended. Each claim carries a new epoch, which every later write of
-- the worker must show. Touches the dispatch table only; what else it returns is read.
-- The planner settings, here and in every function of the hot path, leave it the way by keys only.
-- Statistics are often wrong here, since a queue fills and empties faster than they are gathered, and
-- a plan that a session made while the tables were small is kept when they have grown. With one way
-- left, the three that every job passes through need no plan of their own for each call.
-- Of an attempt under way it also tells what is known, so that a prediction that was made is followed
-- and not made again. `edited`: the job or its model was changed since its attempt began, so that what was sent is
-- not known any more.
DROP FUNCTION IF EXISTS vsl.claim_jobs(text, text[], integer, double precision);
CREATE OR REPLACE FUNCTION vsl.claim_jobs(p_worker text, p_lanes text[], p_limit integer, p_lease_seconds double precision)
RETURNS TABLE (
    id uuid,
    job_id text,
    epoch bigint,
    phase text,
    run smallint,
    attempt_id uuid,
    attempts smallint,
    rescues smallint,
    cancel_requested boolean,
    media_type text,
    model_id text,
    user_id text,
    prompt text,
    parameters jsonb,
    created_at timestamptz,
    provider text,
    configuration jsonb,
    supported_parameters jsonb,
    timeout_seconds integer,
    estimated_time integer,
    attempt_number smallint,
    attempt_started_at timestamptz,
    attempt_seconds double precision,
    provider_id text,
    provider_status text,
    output jsonb,
    output_seconds_left double precision,
    edited boolean
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
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
    v_lane text;
    v_found uuid[];
    v_jobs uuid[] := '{}';
BEGIN
    -- Choosing and marking are two statements on purpose. Joined into one, the planner takes a
    -- LIMIT that is a parameter for a tenth of the queue and hashes whole tables to prepare for it;
    -- alone, the choice walks dispatch_due_idx in its order and stops.
    FOREACH v_lane IN ARRAY p_lanes LOOP
        SELECT array_agg(due.job_id) INTO v_found
        FROM (
            SELECT d.job_id
            FROM vsl.dispatch d
            WHERE d.lane = v_lane AND d.worker IS NULL AND d.due_at <= now()
            ORDER BY d.due_at
            LIMIT p_limit - cardinality(v_jobs)
            FOR UPDATE SKIP LOCKED
        ) due;
        v_jobs := v_jobs || v_found;
        EXIT WHEN cardinality(v_jobs) >= p_limit;
    END LOOP;
    IF v_jobs = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH claimed AS (
        UPDATE vsl.dispatch d
        SET worker = p_worker,
            epoch = nextval('vsl.epoch_seq'),
            lease_until = now() + make_interval(secs => p_lease_seconds)
        WHERE d.job_id = ANY (v_jobs)
        RETURNING d.*
    )
    SELECT
        c.job_id, j.job_id, c.epoch, c.phase, c.run, c.attempt_id, c.attempts, c.rescues, c.cancel_requested,
        j.media_type, j.model_id, j.user_id, j.prompt, j.parameters, j.created_at,
        m.provider,
        CASE
            WHEN num_nonnulls(m.replicate_owner, m.replicate_model, m.replicate_version) = 0 THEN m.configuration
            ELSE m.configuration || jsonb_strip_nulls(jsonb_build_object(
                'owner', m.replicate_owner, 'name', m.replicate_model, 'version', m.replicate_version
            ))
        END,
        m.supported_parameters, m.timeout_seconds, j.estimated_time,
        a.number, a.started_at, extract(epoch FROM now() - a.started_at)::double precision,
        a.provider_id, a.provider_status, a.output, extract(epoch FROM a.outputs_expire_at - now())::double precision,
        -- What VSL's own functions write while an attempt is unanswered leaves updated_at alone, or
        -- is the wish to cancel.
        coalesce(
            a.provider_id IS NULL AND (
                j.updated_at > a.started_at AND j.updated_at IS DISTINCT FROM j.cancel_requested_at
                OR m.updated_at > a.started_at
            ), false
        )
    FROM claimed c
    JOIN public.jobs j ON j.id = c.job_id
    JOIN public.model_configurations m ON m.model_id = j.model_id
    LEFT JOIN vsl.attempts a ON a.id = c.attempt_id
    ORDER BY c.due_at;
END
$$;
COMMENT ON FUNCTION vsl.claim_jobs(text, text[], integer, double precision) IS 'Gives a worker up to p_limit due jobs under a lease.';
