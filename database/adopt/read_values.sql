-- Functions that read a value of an original row, as JSON, whatever type its column has. Temporary: they
-- go with the transaction that makes them. Each is one expression, so that the planner inlines it.

-- A number, also one that is written as text; NULL for anything else.
CREATE FUNCTION pg_temp.number(p_value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN jsonb_typeof(p_value) = 'number' THEN p_value::numeric
        WHEN p_value #>> '{}' ~ '^\s*[-+]?[0-9]{1,100}(\.[0-9]{1,100})?([eE][-+]?[0-9]{1,2})?\s*$' THEN (p_value #>> '{}')::numeric
    END
$$;

-- The number as a column with so many decimals holds it; NULL when it is below p_lowest, or not below p_limit.
CREATE FUNCTION pg_temp.fitting(p_value jsonb, p_decimals integer, p_lowest numeric, p_limit numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN pg_temp.number(p_value) >= 0
            AND round(pg_temp.number(p_value), p_decimals) >= p_lowest AND round(pg_temp.number(p_value), p_decimals) < p_limit
        THEN round(pg_temp.number(p_value), p_decimals)
    END
$$;

-- What is wrong with a number for such a column: NULL when nothing is.
CREATE FUNCTION pg_temp.flaw(p_column text, p_value jsonb, p_decimals integer, p_lowest numeric, p_limit numeric) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN p_value IS NULL OR p_value = 'null' THEN NULL
        WHEN pg_temp.fitting(p_value, p_decimals, p_lowest, p_limit) IS NULL THEN p_column || ':impossible'
        WHEN pg_temp.fitting(p_value, p_decimals, p_lowest, p_limit) <> pg_temp.number(p_value) THEN p_column || ':rounded'
    END
$$;

-- Amounts of money, and seconds, as VSL's columns hold them.
CREATE FUNCTION pg_temp.amount(p_value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_temp.fitting(p_value, 8, 0, 10000000000) $$;

CREATE FUNCTION pg_temp.amount_flaw(p_column text, p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_temp.flaw(p_column, p_value, 8, 0, 10000000000) $$;

CREATE FUNCTION pg_temp.identifier(p_value jsonb) RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN p_value #>> '{}' ~* '^\s*[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\s*$' THEN (p_value #>> '{}')::uuid
    END
$$;

-- A point in time. Columns of other types were refused before; one without a zone is of this session's.
CREATE FUNCTION pg_temp.moment(p_value jsonb) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$ SELECT (p_value #>> '{}')::timestamptz $$;

CREATE FUNCTION pg_temp.truth(p_value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN lower(btrim(p_value #>> '{}')) IN ('true', 't', 'yes', 'y', 'on', '1') THEN true
        WHEN lower(btrim(p_value #>> '{}')) IN ('false', 'f', 'no', 'n', 'off', '0') THEN false
    END
$$;

CREATE FUNCTION pg_temp.object(p_value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN jsonb_typeof(p_value) = 'object' THEN p_value ELSE '{}' END $$;

CREATE FUNCTION pg_temp.object_flaw(p_column text, p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN p_value IS NULL THEN NULL
        WHEN p_value = 'null' THEN p_column || ':filled'
        WHEN jsonb_typeof(p_value) <> 'object' THEN p_column || ':not_object'
    END
$$;

-- Whether a text can be an identifier in VSL: 1 to 255 characters, none of them a control character.
CREATE FUNCTION pg_temp.well_formed(p_text text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$ SELECT char_length(p_text) BETWEEN 1 AND 255 AND p_text !~ '[[:cntrl:]]' $$;

-- Images, IMAGE, image/png: image. NULL for what is none of the three.
CREATE FUNCTION pg_temp.media_type(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN p_text IN ('video', 'image', 'audio') THEN p_text
        ELSE substring(lower(btrim(p_text)) FROM '^(video|image|audio)s?(/.*)?$')
    END
$$;

-- A status in VSL's spelling, also from Replicate's: succeeded, canceled, starting. NULL for an unknown one.
CREATE FUNCTION pg_temp.status(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE lower(btrim(p_text))
        WHEN 'pending' THEN 'pending'
        WHEN 'queued' THEN 'pending'
        WHEN 'processing' THEN 'processing'
        WHEN 'starting' THEN 'processing'
        WHEN 'running' THEN 'processing'
        WHEN 'completed' THEN 'completed'
        WHEN 'complete' THEN 'completed'
        WHEN 'succeeded' THEN 'completed'
        WHEN 'failed' THEN 'failed'
        WHEN 'error' THEN 'failed'
        WHEN 'cancelled' THEN 'cancelled'
        WHEN 'canceled' THEN 'cancelled'
    END
$$;

-- What of a row has no other place in VSL: columns of its own, and values that were mended, by name, below the
-- key vsl_original; NULL when there is nothing.
CREATE FUNCTION pg_temp.kept(p_row jsonb, p_extra text[], p_mends text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT jsonb_build_object('vsl_original', jsonb_object_agg(e.key, e.value))
    FROM jsonb_each(p_row) e
    WHERE e.value <> 'null' AND (e.key = ANY (p_extra) OR e.key IN (SELECT split_part(m, ':', 1) FROM unnest(p_mends) m))
    HAVING count(*) > 0
$$;

-- An object that stays, with that.
CREATE FUNCTION pg_temp.with_kept(p_object jsonb, p_row jsonb, p_extra text[], p_mends text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN p_extra = '{}' AND p_mends = '{}' THEN p_object
        ELSE p_object || coalesce(pg_temp.kept(p_row, p_extra, p_mends), '{}')
    END
$$;

-- An object column whose key vsl_original is taken: its original is kept as a whole below that key.
CREATE FUNCTION pg_temp.key_flaw(p_column text, p_value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN p_value ? 'vsl_original' THEN p_column || ':key_taken' END $$;
