-- Let the triggers of jobs and outputs complete and check each row again.
DO $$
BEGIN
    ALTER TABLE public.jobs ENABLE TRIGGER USER;
    ALTER TABLE public.media_outputs ENABLE TRIGGER USER;
END
$$;
