-- The rows of an original table as JSON, and the names of its columns that VSL has no column for. Follows the table
-- to where it is moved.
CREATE TEMPORARY VIEW {view} AS
SELECT to_jsonb(o) AS r, {extra}::text[] AS extra
FROM public.{table} o
OFFSET 0; -- made once for each row, however often it is named
