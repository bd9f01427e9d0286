-- Checks a row of media_outputs in plain words: its media type is its job's, its measures fit its
-- media type, and a driven job's outputs come from the worker, complete. Its argument says who writes.
CREATE OR REPLACE FUNCTION vsl.check_output() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_job public.jobs;
    v_constraint text;
    v_message text;
BEGIN
    IF tg_op = 'UPDATE' AND new.job_id IS DISTINCT FROM old.job_id THEN
        RAISE EXCEPTION USING ERRCODE = 'VS001', MESSAGE = 'an output stays with its job: job_id cannot be changed';
    END IF;
    -- Only these columns: the row's prompt can be large.
    SELECT j.id, j.job_id, j.media_type, j.driven INTO v_job.id, v_job.job_id, v_job.media_type, v_job.driven
    FROM public.jobs j WHERE j.id = new.job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation', MESSAGE = 'there is no such job',
            SCHEMA = 'public', TABLE = 'media_outputs', CONSTRAINT = 'media_outputs_job_id_fkey';
    END IF;
    new.media_type := coalesce(new.media_type, v_job.media_type);
    new.metadata := coalesce(new.metadata, '{}');
    IF v_job.driven AND tg_op = 'INSERT' AND tg_argv[0] = 'person' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'VS001',
            MESSAGE = format('outputs of job %s are recorded by VSL and cannot be added by hand', v_job.job_id),
            HINT = 'Workers record outputs through vsl.finish_jobs.';
    ELSIF new.media_type <> v_job.media_type THEN
        v_constraint := 'media_outputs_media_type_of_job';
        v_message := format('media_type is %s, but its job makes %s', new.media_type, v_job.media_type);
    ELSIF new.file_size <= 0 THEN
        v_constraint := 'media_outputs_file_size_positive';
        v_message := 'file_size must be positive';
    ELSIF new.duration <= 0 OR new.duration = 'NaN' THEN
        v_constraint := 'media_outputs_duration_positive';
        v_message := 'duration must be positive';
    ELSIF new.width <= 0 OR new.height <= 0 THEN
        v_constraint := 'media_outputs_dimensions_positive';
        v_message := 'width and height must be positive';
    ELSIF new.fps <= 0 OR new.fps = 'NaN' THEN
        v_constraint := 'media_outputs_fps_positive';
        v_message := 'fps must be positive';
    ELSIF new.bitrate <= 0 THEN
        v_constraint := 'media_outputs_bitrate_positive';
        v_message := 'bitrate must be positive';
    ELSIF new.media_type = 'image' AND (new.duration IS NOT NULL OR new.fps IS NOT NULL OR new.bitrate IS NOT NULL) THEN
        v_constraint := 'media_outputs_image_is_still';
        v_message := 'an image has no duration, fps or bitrate';
    ELSIF new.media_type = 'audio' AND (new.width IS NOT NULL OR new.height IS NOT NULL OR new.fps IS NOT NULL) THEN
        v_constraint := 'media_outputs_audio_is_not_seen';
        v_message := 'audio has no width, height or fps';
    ELSIF v_job.driven AND tg_op = 'INSERT' AND (
        new.s3_key IS NULL OR new.file_type IS NULL OR new.file_size IS NULL OR new.sha256 IS NULL OR new.ordinal IS NULL
        OR (new.media_type <> 'audio' AND (new.width IS NULL OR new.height IS NULL))
        OR (new.media_type <> 'image' AND new.duration IS NULL)
    ) THEN
        v_constraint := 'media_outputs_driven_is_complete';
        v_message := 'an output of a driven job needs s3_key, file_type, file_size, sha256, ordinal, '
            || 'width and height unless audio, and duration unless image';
    ELSE
        RETURN new;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', MESSAGE = v_message,
        SCHEMA = 'public', TABLE = 'media_outputs', CONSTRAINT = v_constraint;
END
$$;
COMMENT ON FUNCTION vsl.check_output() IS 'Checks a row of media_outputs against its job and its media type.';

CREATE OR REPLACE TRIGGER check_output BEFORE INSERT OR UPDATE ON public.media_outputs
FOR EACH ROW WHEN (vsl.by_function()) EXECUTE FUNCTION vsl.check_output('function');

CREATE OR REPLACE TRIGGER check_output_by_hand BEFORE INSERT OR UPDATE ON public.media_outputs
FOR EACH ROW WHEN (NOT vsl.by_function()) EXECUTE FUNCTION vsl.check_output('person');
