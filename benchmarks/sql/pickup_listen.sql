-- The floor's own channel.
LISTEN vsl_bench;
