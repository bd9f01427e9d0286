-- Tell the listener which row.
SELECT pg_notify('vsl_bench', %(n)s::text);
