-- A time-ordered UUID (version 7, RFC 9562): 48 bits of milliseconds, then random bits.
CREATE OR REPLACE FUNCTION vsl.uuid7() RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
DECLARE
    v_bytes bytea;
BEGIN
    -- PostgreSQL 18 has its own; this line is not planned on servers that do not.
    IF current_setting('server_version_num')::integer >= 180000 THEN
        RETURN pg_catalog.uuidv7();
    END IF;
    v_bytes := overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6
    );
    -- A random UUID says version 4 (0100) in the upper half of byte 6; version 7 is 0111.
    RETURN encode(set_byte(v_bytes, 6, get_byte(v_bytes, 6) | 48), 'hex')::uuid;
END
$$;
COMMENT ON FUNCTION vsl.uuid7() IS 'A time-ordered UUID (version 7).';
