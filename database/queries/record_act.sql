-- Write down an administrative act; the row's number.
SELECT vsl.record_act(%(act)s::text, %(subject)s::text, %(detail)s::jsonb);
