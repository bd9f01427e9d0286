"""The only importer of psycopg: connections, statements, migrations, the embedded server."""
