-- Jobs whose provider's answer was lost have a phase of their own.
SET LOCAL lock_timeout = '1s';
SET LOCAL statement_timeout = '30s';

ALTER TABLE vsl.dispatch DROP CONSTRAINT dispatch_phase_known;
ALTER TABLE vsl.dispatch ADD CONSTRAINT dispatch_phase_known
    CHECK (phase IN ('submit', 'wait', 'collect', 'backoff', 'unknown')) NOT VALID;
