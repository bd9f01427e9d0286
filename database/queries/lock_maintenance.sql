-- Take the lock that one maintainer at a time has, until its session ends; whether it was to be had.
SELECT pg_try_advisory_lock(hashtext('vsl'), hashtext('maintain'));
