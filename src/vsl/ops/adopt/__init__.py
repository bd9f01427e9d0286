"""Taking over a database with the original layout: the tables without the machinery."""
