-- What follows measures a database without them.
DROP TABLE bench_jobs, bench_media_outputs, bench_usage_tracking;
