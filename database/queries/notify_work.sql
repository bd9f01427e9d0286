-- Wake the workers of a lane.
SELECT pg_notify('vsl_work', %(lane)s::text);
