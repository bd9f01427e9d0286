"""The parts of the embedded PostgreSQL; ``vsl.db.server`` puts them together."""
