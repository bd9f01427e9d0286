"""A pooler in front of the database: how many connections it may make, and its configuration."""
