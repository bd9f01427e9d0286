-- Blocks that came back from the disk other than they were written, in all databases of the server since
-- its counters began. Without checksums nothing is noticed, which is worth a note.
SELECT
    coalesce(d.datname::text, 'shared tables') AS subject,
    d.checksum_failures::float8 AS value,
    NULL::text AS level,
    format('%s damaged blocks, the last at %s', d.checksum_failures, date_trunc('second', d.checksum_last_failure)) AS evidence,
    NULL::text AS next,
    NULL::text AS unknown
FROM pg_stat_database d
WHERE d.checksum_failures > 0
UNION ALL
SELECT 'data_checksums', NULL, 'note', 'data checksums are off: a block that the disk damages is not noticed', NULL, NULL
FROM pg_settings s
WHERE s.name = 'data_checksums' AND s.setting = 'off';
