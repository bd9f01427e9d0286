-- The floor: the same rows of usage_tracking from a file.
COPY bench_usage_tracking FROM STDIN;
