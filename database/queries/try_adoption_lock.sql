-- Take the lock that only one runner of migrations or installer can have, for this transaction; false when another has it.
SELECT pg_try_advisory_xact_lock(hashtext('vsl'), hashtext('migrate'));
