-- Give the runners' lock back; false when this session did not have it.
SELECT pg_catalog.pg_advisory_unlock(hashtext('vsl'), hashtext('migrate'));
