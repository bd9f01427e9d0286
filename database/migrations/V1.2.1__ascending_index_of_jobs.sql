-- An index on created_at that goes down grows at its left end, where pages split in halves and stay half
-- empty; one that goes up fills them, and is read backwards as well as forwards. Built beside the old one
-- while jobs run; V1.2.2 gives it the old one's name.
CREATE INDEX CONCURRENTLY jobs_created_at_new_idx ON public.jobs (created_at);

DROP INDEX CONCURRENTLY public.jobs_created_at_idx;
