-- The floor of a user's statistics: the same rows, counted.
SELECT count(*) FROM jobs WHERE user_id = %(user)s;
