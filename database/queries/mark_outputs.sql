-- Mark outputs whose files are missing, damaged, or whole again; how many marks changed.
SELECT vsl.mark_outputs(%(ids)s::uuid[], %(state)s::text);
