-- Copy the users' settings.
INSERT INTO public.user_preferences (user_id, notification_enabled, preferred_models, created_at)
SELECT a.user_id, a.notification_enabled, a.preferred_models, a.created_at
FROM adopted_preferences a
WHERE cardinality(a.refusals) = 0;
