-- The machinery's schema, and the one sequence that it shares.
CREATE SCHEMA vsl;
COMMENT ON SCHEMA vsl IS 'VSL''s machinery: private tables, and the functions that are the only way to change the state of driven jobs.';

-- Numbers the claims of all jobs. A number is used once, so a worker's write that carries an old
-- one can be told from a current one for ever.
CREATE SEQUENCE vsl.epoch_seq AS bigint;
