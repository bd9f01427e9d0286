-- Where the floor's rows go.
CREATE TABLE floor_events (n integer PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now());
