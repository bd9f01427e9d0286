"""The only importer of psycopg: connections, statements, listening, migrating, the embedded server."""
