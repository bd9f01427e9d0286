-- Look names up in these schemas for the rest of the transaction.
SELECT set_config('search_path', %(path)s::text, true);
