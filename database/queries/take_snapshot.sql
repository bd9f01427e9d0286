-- Keep the server's counters as they are now, for later looks at its health to compare with.
SELECT vsl.take_snapshot(vsl.measure_statements());
