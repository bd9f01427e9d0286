-- Count what the statement after it touches.
EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)
