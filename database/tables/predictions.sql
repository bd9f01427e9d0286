-- Which attempt a paid prediction belongs to: to one only, for ever, also when two jobs with the same
-- input look for a lost one at once. Rows are only added, and stay when their jobs go.
CREATE TABLE vsl.predictions (
    provider text NOT NULL,
    -- The provider's own identifier.
    provider_id text NOT NULL,
    attempt_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, provider_id)
);
COMMENT ON TABLE vsl.predictions IS 'Which attempt a paid prediction belongs to.';
