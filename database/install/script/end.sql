SELECT pg_advisory_unlock(hashtext('vsl'), hashtext('migrate'));
\o
\unset QUIET
\echo 'Done. See it with: vsl db status'
