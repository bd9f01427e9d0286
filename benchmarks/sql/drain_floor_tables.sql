-- Plain copies of the tables: columns, defaults, checks, indexes and storage settings as they are,
-- without triggers and foreign keys.
CREATE TABLE floor_jobs (LIKE public.jobs INCLUDING ALL)
WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE TABLE floor_dispatch (LIKE vsl.dispatch INCLUDING ALL)
WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);
CREATE TABLE floor_attempts (LIKE vsl.attempts INCLUDING ALL);
CREATE TABLE floor_outputs (LIKE public.media_outputs INCLUDING ALL);
CREATE TABLE floor_usage (LIKE public.usage_tracking INCLUDING ALL);
CREATE TABLE floor_ledger (LIKE vsl.ledger_entries INCLUDING ALL);
