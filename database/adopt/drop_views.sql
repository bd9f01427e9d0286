-- Take the temporary views away again: they would be in the way of whoever drops the original tables.
DROP VIEW original_models, original_jobs, original_outputs, original_usage, original_preferences CASCADE;
