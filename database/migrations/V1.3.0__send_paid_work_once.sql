-- What the engine needs to send paid work once: which attempt a prediction belongs to, and when a
-- provider removes its files.
SET LOCAL lock_timeout = '1s';
SET LOCAL statement_timeout = '30s';

ALTER TABLE vsl.attempts ADD COLUMN outputs_expire_at timestamptz;

CREATE TABLE vsl.predictions (
    provider text NOT NULL,
    provider_id text NOT NULL,
    attempt_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, provider_id)
);
COMMENT ON TABLE vsl.predictions IS 'Which attempt a paid prediction belongs to.';
