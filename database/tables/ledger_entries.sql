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
