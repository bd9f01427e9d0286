-- Note the values that a column has more than once.
INSERT INTO repeated_keys (place, key)
SELECT {place}, o.{column}::text
FROM public.{table} o
WHERE o.{column} IS NOT NULL AND o.{column}::text <> ''
GROUP BY o.{column}
HAVING count(*) > 1;
