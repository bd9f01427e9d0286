-- The floor: the same rows of jobs from a file.
COPY bench_jobs FROM STDIN;
