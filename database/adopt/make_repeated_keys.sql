-- Values that a column has more than once, where VSL needs each once.
CREATE TEMPORARY TABLE repeated_keys (place text NOT NULL, key text NOT NULL) ON COMMIT DROP;
