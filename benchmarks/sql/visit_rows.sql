-- Let a count look at the rows that it counts, as an answer about their values must.
SET enable_indexonlyscan = off;
