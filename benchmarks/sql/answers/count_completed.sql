-- The floor of the statistics by model: the same rows, counted.
SELECT count(*) FROM jobs WHERE status = 'completed';
