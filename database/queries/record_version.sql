-- Record a migration, unless its file has done so itself.
INSERT INTO public.schema_migrations (version, description) VALUES (%(version)s::text, %(description)s::text)
ON CONFLICT (version) DO NOTHING;
