-- The initial schema: tables, keys and indexes. The functions, triggers, views, registry rows and grants that
-- belong to it stand in functions/, views/, registry.sql and roles.sql; `vsl db migrate` applies them after this.

-- The machinery's schema, and the one sequence that it shares.
CREATE SCHEMA vsl;
COMMENT ON SCHEMA vsl IS 'VSL''s machinery: private tables, and the functions that are the only way to change the state of driven jobs.';

-- Numbers the claims of all jobs. A number is used once, so a worker's write that carries an old
-- one can be told from a current one for ever.
CREATE SEQUENCE vsl.epoch_seq AS bigint;

-- A time-ordered UUID (version 7, RFC 9562): 48 bits of milliseconds, then random bits.
CREATE OR REPLACE FUNCTION vsl.uuid7() RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
DECLARE
    v_bytes bytea;
BEGIN
    -- PostgreSQL 18 has its own; this line is not planned on servers that do not.
    IF current_setting('server_version_num')::integer >= 180000 THEN
        RETURN pg_catalog.uuidv7();
    END IF;
    v_bytes := overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6
    );
    -- A random UUID says version 4 (0100) in the upper half of byte 6; version 7 is 0111.
    RETURN encode(set_byte(v_bytes, 6, get_byte(v_bytes, 6) | 48), 'hex')::uuid;
END
$$;
COMMENT ON FUNCTION vsl.uuid7() IS 'A time-ordered UUID (version 7).';

-- Which versions of the schema this database embodies.
CREATE TABLE public.schema_migrations (
    version varchar(50) PRIMARY KEY,
    description text,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.schema_migrations IS 'Versions of the schema that this database embodies.';

-- The text of each function, view and grants file as last applied, by its SHA-256, so that a
-- changed one is applied again and an unchanged one is left alone.
CREATE TABLE vsl.repeatables (
    path text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- The registry of models. Rows can be added by anybody who may write here; no code change needed.
CREATE TABLE public.model_configurations (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    model_id text NOT NULL CONSTRAINT model_configurations_model_id_key UNIQUE,
    media_type text NOT NULL,
    -- Who runs it: `cog` or `replicate` are driven by VSL's worker; `external` by somebody else's code.
    provider text NOT NULL DEFAULT 'replicate',
    replicate_version text,
    replicate_owner text,
    replicate_model text,
    is_active boolean NOT NULL DEFAULT true,
    is_beta boolean NOT NULL DEFAULT false,
    -- What the provider needs to know, such as {"url": "http://127.0.0.1:5391"} for `cog`.
    configuration jsonb NOT NULL DEFAULT '{}',
    -- JSON Schema of the model's input; {} while it is not known.
    supported_parameters jsonb NOT NULL DEFAULT '{}',
    -- US dollars for one job. NULL: not known, and then no driven job is accepted unless is_free.
    pricing_per_unit numeric(18, 8),
    estimated_time_seconds integer,
    description text,
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    is_free boolean NOT NULL DEFAULT false,
    -- Which workers take its jobs; the provider's name when NULL.
    lane text,
    max_attempts smallint NOT NULL DEFAULT 3,
    -- Seconds that one attempt may take, from its beginning to its last output.
    timeout_seconds integer NOT NULL DEFAULT 900,
    CONSTRAINT model_configurations_model_id_form CHECK (char_length(model_id) >= 1 AND char_length(model_id) <= 255 AND model_id !~ '[[:cntrl:]]'),
    CONSTRAINT model_configurations_media_type_known CHECK (media_type IN ('video', 'image', 'audio')),
    CONSTRAINT model_configurations_provider_form CHECK (provider ~ '^[a-z][a-z0-9_-]{0,62}$'),
    CONSTRAINT model_configurations_configuration_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT model_configurations_supported_parameters_object CHECK (jsonb_typeof(supported_parameters) = 'object'),
    CONSTRAINT model_configurations_price_not_negative CHECK (pricing_per_unit >= 0 AND pricing_per_unit <> 'NaN'),
    CONSTRAINT model_configurations_free_or_priced CHECK (NOT is_free OR coalesce(pricing_per_unit, 0) = 0),
    CONSTRAINT model_configurations_time_positive CHECK (estimated_time_seconds > 0),
    CONSTRAINT model_configurations_lane_form CHECK (lane ~ '^[a-z][a-z0-9_-]{0,62}$'),
    CONSTRAINT model_configurations_max_attempts_range CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT model_configurations_timeout_positive CHECK (timeout_seconds > 0)
);
COMMENT ON TABLE public.model_configurations IS 'Registry of the models that jobs can name.';

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
CREATE INDEX jobs_created_at_idx ON public.jobs (created_at DESC);

-- One stored file with its measured facts. A row appears only when the file is whole.
CREATE TABLE public.media_outputs (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    job_id uuid NOT NULL CONSTRAINT media_outputs_job_id_fkey REFERENCES public.jobs (id) ON DELETE CASCADE,
    media_type text NOT NULL,
    s3_key text,
    s3_url text,
    s3_bucket text,
    -- MIME type.
    file_type text,
    -- Bytes.
    file_size bigint,
    -- Seconds.
    duration numeric(12, 3),
    -- Pixels.
    width integer,
    height integer,
    -- Frames a second.
    fps numeric(8, 3),
    -- Bits a second.
    bitrate bigint,
    thumbnail_url text,
    preview_url text,
    waveform_url text,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Place among the job's outputs, from 0. NULL for tracked jobs, whose writers need not count.
    ordinal integer,
    -- Lower-case hex digest of the file's bytes.
    sha256 text,
    codec text,
    attempt_id uuid,
    CONSTRAINT media_outputs_media_type_known CHECK (media_type IN ('video', 'image', 'audio')),
    CONSTRAINT media_outputs_file_size_positive CHECK (file_size > 0),
    CONSTRAINT media_outputs_duration_positive CHECK (duration > 0 AND duration <> 'NaN'),
    CONSTRAINT media_outputs_dimensions_positive CHECK (width > 0 AND height > 0),
    CONSTRAINT media_outputs_fps_positive CHECK (fps > 0 AND fps <> 'NaN'),
    CONSTRAINT media_outputs_bitrate_positive CHECK (bitrate > 0),
    CONSTRAINT media_outputs_image_is_still CHECK (media_type <> 'image' OR (duration IS NULL AND fps IS NULL AND bitrate IS NULL)),
    CONSTRAINT media_outputs_audio_is_not_seen CHECK (media_type <> 'audio' OR (width IS NULL AND height IS NULL AND fps IS NULL)),
    CONSTRAINT media_outputs_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT media_outputs_ordinal_not_negative CHECK (ordinal >= 0),
    CONSTRAINT media_outputs_sha256_form CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE public.media_outputs IS 'Stored media files with their measured facts.';

-- A job's outputs, in order, each place taken once; also the foreign key's look-up.
CREATE UNIQUE INDEX media_outputs_job_id_ordinal_idx ON public.media_outputs (job_id, ordinal);
-- Whether a row still refers to an object, before the worker removes it.
CREATE INDEX media_outputs_s3_key_idx ON public.media_outputs (s3_key);

-- What each finished run of a job used. Rows outlive their jobs.
CREATE TABLE public.usage_tracking (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    job_id uuid CONSTRAINT usage_tracking_job_id_fkey REFERENCES public.jobs (id) ON DELETE SET NULL,
    user_id text NOT NULL,
    -- US dollars.
    estimated_cost numeric(18, 8),
    actual_cost numeric(18, 8),
    processing_time_seconds numeric(12, 3),
    -- Attempts that the run made.
    api_calls_count integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Year and month in UTC, such as 2026-11.
    billing_period text NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM'),
    -- The job's job_id, which stays when the job is deleted.
    public_job_id text,
    -- Which run of the job: 1 for the submission, one more for each retry_job. NULL for tracked jobs.
    run smallint,
    CONSTRAINT usage_tracking_estimated_cost_not_negative CHECK (estimated_cost >= 0 AND estimated_cost <> 'NaN'),
    CONSTRAINT usage_tracking_actual_cost_not_negative CHECK (actual_cost >= 0 AND actual_cost <> 'NaN'),
    CONSTRAINT usage_tracking_time_not_negative CHECK (processing_time_seconds >= 0 AND processing_time_seconds <> 'NaN'),
    CONSTRAINT usage_tracking_calls_not_negative CHECK (api_calls_count >= 0),
    CONSTRAINT usage_tracking_billing_period_form CHECK (billing_period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$')
);
COMMENT ON TABLE public.usage_tracking IS 'What each finished run of a job used, for billing and analytics.';

-- One row for each run of a driven job; also the foreign key's look-up.
CREATE UNIQUE INDEX usage_tracking_job_id_run_idx ON public.usage_tracking (job_id, run);
-- A user's bill of a month.
CREATE INDEX usage_tracking_user_id_idx ON public.usage_tracking (user_id, billing_period);

-- The live driven jobs: what is due, in which phase, who holds it. Narrow, and a row goes when its
-- job ends, so a claim costs the same beside ten thousand finished jobs and a hundred million.
-- No foreign key to jobs: the triggers on jobs keep the two together without locking its rows.
CREATE TABLE vsl.dispatch (
    job_id uuid PRIMARY KEY,
    lane text NOT NULL,
    -- submit: to be sent, or sent and not answered. wait: the provider works. collect: its outputs
    -- are being stored. backoff: the last attempt failed, the next is due at due_at.
    phase text NOT NULL DEFAULT 'submit',
    due_at timestamptz NOT NULL DEFAULT now(),
    -- The claim's number, from vsl.epoch_seq; 0 before the first claim.
    epoch bigint NOT NULL DEFAULT 0,
    -- Who holds it; NULL when nobody does.
    worker text,
    lease_until timestamptz,
    -- The attempt under way.
    attempt_id uuid,
    attempts smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL,
    -- How often its worker was lost while an attempt was under way.
    rescues smallint NOT NULL DEFAULT 0,
    run smallint NOT NULL DEFAULT 1,
    cancel_requested boolean NOT NULL DEFAULT false,
    -- US dollars set aside for this run.
    held numeric(18, 8) NOT NULL,
    CONSTRAINT dispatch_phase_known CHECK (phase IN ('submit', 'wait', 'collect', 'backoff')),
    CONSTRAINT dispatch_held_has_lease CHECK ((worker IS NULL) = (lease_until IS NULL))
) WITH (
    -- Heartbeats change lease_until, which no index holds: with room on the page they are cheap.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);
COMMENT ON TABLE vsl.dispatch IS 'Live driven jobs: what is due, in which phase, who holds it.';

-- The claim: the longest due of a lane that nobody holds.
CREATE INDEX dispatch_due_idx ON vsl.dispatch (lane, due_at) WHERE worker IS NULL;
-- The rescue: what is held, to be looked through for leases past due.
CREATE INDEX dispatch_held_idx ON vsl.dispatch (worker) WHERE worker IS NOT NULL;

-- One submission of a job to a provider. The row is committed before the request leaves.
CREATE TABLE vsl.attempts (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    job_id uuid NOT NULL CONSTRAINT attempts_job_id_fkey REFERENCES public.jobs (id) ON DELETE CASCADE,
    run smallint NOT NULL,
    -- Counts from 1 over all runs of the job.
    number smallint NOT NULL,
    provider text NOT NULL,
    model_id text NOT NULL,
    -- The claim that works on it: the claim that began it, or the one that took it over.
    epoch bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    -- NULL while under way.
    outcome text,
    provider_id text,
    -- The provider's own word, kept as it came.
    provider_status text,
    -- Seconds.
    processing_time numeric(12, 3),
    -- US dollars.
    cost numeric(18, 8),
    error_code text,
    error_message text,
    -- The provider's output value without the bytes of files.
    output jsonb,
    metrics jsonb,
    CONSTRAINT attempts_outcome_known CHECK (outcome IN ('completed', 'failed', 'cancelled')),
    CONSTRAINT attempts_ended_has_outcome CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT attempts_cost_not_negative CHECK (cost >= 0)
);
COMMENT ON TABLE vsl.attempts IS 'One submission of a job to a provider.';

-- A job's attempts in order; also the foreign key's look-up.
CREATE UNIQUE INDEX attempts_job_id_number_idx ON vsl.attempts (job_id, number);

-- The money, in rows that are only added. `held` is the change of what is set aside, `charged` the
-- change of what was spent: a hold adds to held; a settlement takes it off and charges the cost; a
-- release takes it off and charges nothing. So sum(held) over a closed run is 0, over everything it
-- is the sum of the open holds, and sum(charged) of a job is its actual cost. No foreign key:
-- entries outlive their jobs.
CREATE TABLE vsl.ledger_entries (
    job_id uuid NOT NULL,
    -- 1 for the submission, one more for each retry_job.
    run smallint NOT NULL,
    -- Whether the entry closes its run. A run is opened by one hold and closed by one settlement or
    -- one release: the key allows no second of either.
    closes boolean NOT NULL,
    kind text NOT NULL,
    held numeric(18, 8) NOT NULL,
    charged numeric(18, 8) NOT NULL DEFAULT 0,
    public_job_id text NOT NULL,
    user_id text NOT NULL,
    model_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, run, closes),
    -- A hold opens a run; a settlement or a release closes it; only a settlement charges. Short,
    -- because the server reads a check anew for each statement.
    CONSTRAINT ledger_entries_kind_known CHECK (CASE kind WHEN 'settle' THEN closes ELSE charged = 0.0 AND kind = CASE WHEN closes THEN 'release' ELSE 'hold' END END)
);
COMMENT ON TABLE vsl.ledger_entries IS 'Holds, settlements and releases of money; rows are only added.';

-- Objects in the store that no row refers to any more, for the worker to remove.
CREATE TABLE vsl.doomed_objects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    storage_key text NOT NULL,
    bucket text,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When a worker may try next; moved on at each try.
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE vsl.doomed_objects IS 'Objects in the store that no row refers to any more.';
