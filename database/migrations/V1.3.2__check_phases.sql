-- The rows that were there are checked in a transaction of their own, while everybody works on.
SET LOCAL lock_timeout = '1s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE vsl.dispatch VALIDATE CONSTRAINT dispatch_phase_known;
