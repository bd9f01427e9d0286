-- How many rows a table has, and how many of them are refused.
SELECT count(*) AS rows, count(*) FILTER (WHERE cardinality(a.refusals) > 0) AS refused
FROM {view} a;
