-- Seconds to wait after the p_failures-th failed attempt of a run: 2, 4, 8, and so on, at most 600, spread by
-- 20 % either way so that jobs which failed together do not come back together.
CREATE OR REPLACE FUNCTION vsl.backoff_seconds(p_failures integer) RETURNS double precision
LANGUAGE sql VOLATILE
RETURN least(600, 2 ^ least(p_failures, 10)) * (0.8 + 0.4 * random());
COMMENT ON FUNCTION vsl.backoff_seconds(integer) IS 'Seconds to wait after the n-th failed attempt of a run.';
