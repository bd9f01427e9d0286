-- One row, as little as can be committed.
INSERT INTO floor_events (n) VALUES (%(n)s::integer);
