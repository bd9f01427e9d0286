DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = to_regclass({{index}}) AND i.indisvalid) THEN
        RAISE EXCEPTION 'index % is not there, or invalid', {{index}};
    END IF;
END
$$;
