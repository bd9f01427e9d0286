"""Looking after the database: health, looks, incidents, maintenance, tuning, pooling."""
