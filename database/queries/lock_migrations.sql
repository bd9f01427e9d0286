-- Wait until no other runner or installer is at work; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtext('vsl'), hashtext('migrate'));
