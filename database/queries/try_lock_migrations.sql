-- Take the lock that only one runner or installer can have, for this session; false when another has it.
-- Never waits: whoever waits inside a lock function holds a snapshot, for which concurrent index builds wait.
SELECT pg_catalog.pg_try_advisory_lock(hashtext('vsl'), hashtext('migrate'));
