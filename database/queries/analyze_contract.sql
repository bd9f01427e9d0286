-- Count the rows that have just come, so that the planner knows of them.
ANALYZE public.jobs, public.media_outputs, public.model_configurations, public.usage_tracking, public.user_preferences;
