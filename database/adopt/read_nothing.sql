-- In place of an original table that there is not.
CREATE TEMPORARY VIEW {view} AS
SELECT NULL::jsonb AS r, NULL::text[] AS extra
WHERE false;
