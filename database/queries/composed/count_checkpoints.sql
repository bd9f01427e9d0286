-- Checkpoints by time and on request, and since when they are counted. Until 16 they are among the counters of
-- the background writer, from 17 on they have a view of their own.
SELECT
    c.{timed} AS timed,
    c.{requested} AS requested,
    c.stats_reset AS since
FROM pg_catalog.{view} c;
