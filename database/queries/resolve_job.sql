-- Decide about a job whose attempt got no answer.
SELECT vsl.resolve_job(%(job_id)s::text, %(decision)s::text, %(provider_id)s::text);
