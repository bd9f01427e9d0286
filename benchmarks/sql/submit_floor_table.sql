-- The floor's table: columns, defaults, checks and indexes of jobs, without its triggers.
CREATE TABLE floor_jobs (LIKE jobs INCLUDING ALL)
WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
