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
    -- When the provider may remove its files; NULL while there are none, or it keeps them.
    outputs_expire_at timestamptz,
    CONSTRAINT attempts_outcome_known CHECK (outcome IN ('completed', 'failed', 'cancelled')),
    CONSTRAINT attempts_ended_has_outcome CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT attempts_cost_not_negative CHECK (cost >= 0)
);
COMMENT ON TABLE vsl.attempts IS 'One submission of a job to a provider.';

-- A job's attempts in order; also the foreign key's look-up.
CREATE UNIQUE INDEX attempts_job_id_number_idx ON vsl.attempts (job_id, number);
