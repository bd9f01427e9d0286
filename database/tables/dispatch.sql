-- The live driven jobs: what is due, in which phase, who holds it. Narrow, and a row goes when its
-- job ends, so a claim costs the same beside ten thousand finished jobs and a hundred million.
-- No foreign key to jobs: the triggers on jobs keep the two together without locking its rows.
CREATE TABLE vsl.dispatch (
    job_id uuid PRIMARY KEY,
    lane text NOT NULL,
    -- submit: to be sent, or sent and not answered. wait: the provider works. unknown: whether the
    -- provider works is not known, since its answer was lost. collect: its outputs are being stored.
    -- backoff: the last attempt failed, the next is due at due_at.
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
    CONSTRAINT dispatch_phase_known CHECK (phase IN ('submit', 'wait', 'collect', 'backoff', 'unknown')),
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
