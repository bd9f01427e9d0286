-- Marks outputs whose files are missing or have another size than recorded, in their metadata, with
-- the time at which that was first seen; or takes the marks away, when their files are whole again.
-- Rows are never removed for it: they say what was made, and a file may come back from a backup.
CREATE OR REPLACE FUNCTION vsl.mark_outputs(p_ids uuid[], p_state text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_mark text := p_state || '_since';
    v_count integer;
BEGIN
    IF p_state IS NULL OR p_state NOT IN ('missing', 'damaged', 'whole') THEN
        RAISE EXCEPTION USING ERRCODE = 'VS001', MESSAGE = 'the state of a file is missing, damaged or whole';
    END IF;
    -- Rows in one order, so that two markers never wait for each other.
    WITH chosen AS MATERIALIZED (
        SELECT o.id FROM public.media_outputs o WHERE o.id = ANY (p_ids) ORDER BY o.id FOR UPDATE
    )
    UPDATE public.media_outputs o
    SET metadata = (o.metadata - ARRAY['missing_since', 'damaged_since']) || CASE p_state
        WHEN 'whole' THEN '{}'
        ELSE jsonb_build_object(v_mark, coalesce(o.metadata -> v_mark, to_jsonb(now())))
    END
    FROM chosen
    WHERE o.id = chosen.id
        AND CASE p_state
            WHEN 'whole' THEN o.metadata ?| ARRAY['missing_since', 'damaged_since']
            ELSE NOT o.metadata ? v_mark
        END;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION vsl.mark_outputs(uuid[], text) IS 'Marks outputs whose files are missing or damaged, or whole again.';
