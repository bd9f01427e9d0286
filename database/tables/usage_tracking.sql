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
