"""The object store behind one small protocol."""
