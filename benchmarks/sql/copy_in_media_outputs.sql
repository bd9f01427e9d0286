-- The floor: the same rows of media_outputs from a file.
COPY bench_media_outputs FROM STDIN;
