-- End an attempt with a failure.
SELECT vsl.fail_job(
    %(job)s::uuid, %(epoch)s::bigint, %(attempt)s::uuid, %(code)s::text, %(message)s::text, %(retryable)s::boolean,
    %(processing_time)s::double precision
);
