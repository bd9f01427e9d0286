-- {{words}}
--
-- This file runs in one transaction, as the login that runs `vsl db migrate`, with search_path = public. Its row in
-- schema_migrations is written for it. Look first what it would do: `vsl db plan --execute`, and `vsl db lint`.
-- Once it was applied, it stays as it is: what is to be changed later is another file (`vsl db new`).

-- How long each statement may wait for a lock; the application stalls as long behind it. After that all of the file is
-- undone and tried again.
SET LOCAL lock_timeout = '1s';

-- Kind to a running system:
--   ALTER TABLE ... ADD COLUMN c text;                 no volatile default, which would write every row anew
--   ... ADD CONSTRAINT k CHECK (...) NOT VALID;        then, in the next file, ... VALIDATE CONSTRAINT k;
--   CREATE INDEX CONCURRENTLY name ON table (c);       alone in a file of its own, without the line above: such a file
--                                                      runs without a transaction, and goes on where it was interrupted
