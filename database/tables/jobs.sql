-- One row for each request for media. Wide, kept for years, written about four times in a job's life.
CREATE TABLE public.jobs (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    -- The identifier that the outside knows; made from id when none is given.
    job_id text NOT NULL CONSTRAINT jobs_job_id_key UNIQUE,
    media_type text NOT NULL,
    model_id text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    replicate_id text,
    parameters jsonb NOT NULL DEFAULT '{}',
    prompt text,
    user_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    -- Seconds.
    estimated_time integer,
    -- US dollars. For a driven job, the amount held.
    estimated_cost numeric(18, 8),
    -- Seconds that the model ran, as its provider measured them.
    actual_processing_time numeric(12, 3),
    error_message text,
    -- Attempts after the first, automatic or asked for.
    retry_count integer NOT NULL DEFAULT 0,
    metadata jsonb NOT NULL DEFAULT '{}',
    -- US dollars charged, over all runs of the job; NULL while not known.
    actual_cost numeric(18, 8),
    error_code text,
    cancel_requested_at timestamptz,
    -- Whether VSL's worker runs it. Set at the insert and fixed for life.
    driven boolean NOT NULL DEFAULT false,
    CONSTRAINT jobs_job_id_form CHECK (char_length(job_id) >= 1 AND char_length(job_id) <= 255 AND job_id !~ '[[:cntrl:]]'),
    CONSTRAINT jobs_media_type_known CHECK (media_type IN ('video', 'image', 'audio')),
    CONSTRAINT jobs_status_known CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    CONSTRAINT jobs_user_id_form CHECK (char_length(user_id) >= 1 AND char_length(user_id) <= 255 AND user_id !~ '[[:cntrl:]]'),
    CONSTRAINT jobs_prompt_length CHECK (char_length(prompt) <= 100000),
    CONSTRAINT jobs_parameters_object CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT jobs_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT jobs_estimated_time_not_negative CHECK (estimated_time >= 0),
    CONSTRAINT jobs_estimated_cost_not_negative CHECK (estimated_cost >= 0 AND estimated_cost <> 'NaN'),
    CONSTRAINT jobs_actual_cost_not_negative CHECK (actual_cost >= 0 AND actual_cost <> 'NaN'),
    CONSTRAINT jobs_processing_time_not_negative CHECK (actual_processing_time >= 0 AND actual_processing_time <> 'NaN'),
    CONSTRAINT jobs_retry_count_not_negative CHECK (retry_count >= 0),
    CONSTRAINT jobs_completed_has_completed_at CHECK ((status = 'completed') = (completed_at IS NOT NULL))
) WITH (
    -- Each move of the status writes a new version of the row; the room keeps it on its page.
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
);
COMMENT ON TABLE public.jobs IS 'One request for media. Inserting a row for a model that VSL runs is a submission.';

-- A user's recent jobs; also a user's statistics.
CREATE INDEX jobs_user_id_idx ON public.jobs (user_id, created_at DESC);
-- Jobs pending or processing for too long; failed ones to clean up. Completed ones, nearly all of a
-- table's rows, are never looked up by their status alone, so they stay out.
CREATE INDEX jobs_status_idx ON public.jobs (status, created_at) WHERE status <> 'completed';
-- A prediction's job, when its provider calls back.
CREATE INDEX jobs_replicate_id_idx ON public.jobs (replicate_id) WHERE replicate_id IS NOT NULL;
-- The newest jobs of all users; jobs old enough for the archive.
CREATE INDEX jobs_created_at_idx ON public.jobs (created_at);
