-- The versions of the schema that the database embodies.
SELECT version, description, applied_at FROM schema_migrations ORDER BY applied_at, version;
