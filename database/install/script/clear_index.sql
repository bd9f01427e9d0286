-- What an interrupted build has left.
SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass)
FROM pg_catalog.pg_index i
WHERE i.indexrelid = to_regclass({{index}}) AND NOT i.indisvalid
\gexec
