-- Whether there is a relation of a qualified name.
SELECT to_regclass(%(relation)s::text) IS NOT NULL;
