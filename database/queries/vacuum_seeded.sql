-- Bring the tables that the generator fills into the state that autovacuum would bring them to.
VACUUM (ANALYZE) public.jobs, public.media_outputs, public.usage_tracking;
