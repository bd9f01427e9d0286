-- The name that the index had before V1.2.1 built it anew.
SET LOCAL lock_timeout = '1s';

-- vsl:ignore renaming-object: the plans of running programs do not name it
ALTER INDEX public.jobs_created_at_new_idx RENAME TO jobs_created_at_idx;
