-- A name for a scratch database that nobody else uses; it holds the time, so that a forgotten one can be told by its age.
SELECT 'vsl_verify_' || to_hex(extract(epoch FROM now())::bigint) || '_' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12);
