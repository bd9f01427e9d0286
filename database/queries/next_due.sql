-- Seconds until the next job of the lanes falls due.
SELECT extract(epoch FROM vsl.next_due(%(lanes)s::text[]) - now())::double precision;
