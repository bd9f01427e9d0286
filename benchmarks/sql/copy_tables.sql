-- Tables with the columns, defaults, checks and indexes of those that are filled; no triggers or foreign keys.
CREATE TABLE bench_jobs (LIKE jobs INCLUDING ALL);
CREATE TABLE bench_media_outputs (LIKE media_outputs INCLUDING ALL);
CREATE TABLE bench_usage_tracking (LIKE usage_tracking INCLUDING ALL);
