-- The texts of functions, views and grants that the database has.
SELECT path, sha256 FROM vsl.repeatables;
