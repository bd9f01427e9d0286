-- Ends a batch of jobs. p_results is a JSON array of objects:
--   job_id, attempt_id, epoch   the job's id, and the attempt and claim that did the work
--   outcome                     completed, failed or cancelled
--   processing_time             seconds that the model ran
--   error_code, error_message   of a failure
--   spent                       whether the money went although the job did not complete: the hold is
--                               charged then and not released
--   outputs                     array of: ordinal, media_type, s3_key, s3_url, s3_bucket, file_type,
--                               file_size, duration, width, height, fps, bitrate, codec, sha256, metadata
-- Answers for each job: finished; repeated (it had been ended by this claim, `outcome` says how);
-- stale (another claim has it, or it ended otherwise: nothing changed); or rejected (`reason` says
-- what is wrong with the result: nothing changed). A rejected one does not harm the others.
CREATE OR REPLACE FUNCTION vsl.finish_jobs(p_results jsonb)
RETURNS TABLE (id uuid, result text, outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_result jsonb;
BEGIN
    BEGIN
        RETURN QUERY SELECT e.id, e.result, e.outcome, NULL::text FROM vsl.end_jobs(p_results) e;
        RETURN;
    EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
        -- Some result is bad. Each goes alone below, so that only that one fails.
    END;
    FOR v_result IN SELECT * FROM jsonb_array_elements(p_results) LOOP
        BEGIN
            RETURN QUERY
            SELECT e.id, e.result, e.outcome, NULL::text FROM vsl.end_jobs(jsonb_build_array(v_result)) e;
        EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
            -- What is wrong may be the identifier itself.
            id := CASE
                WHEN v_result ->> 'job_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (v_result ->> 'job_id')::uuid
            END;
            result := 'rejected';
            outcome := NULL;
            reason := sqlerrm;
            RETURN NEXT;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vsl.finish_jobs(jsonb) IS 'Ends a batch of jobs; answers finished, repeated, stale or rejected for each.';
