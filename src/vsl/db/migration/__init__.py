"""Changing a database's schema, one file after the other. ``vsl.db.migrate`` is the way in."""
