-- The seed: a user's statistics.
SELECT * FROM v_user_statistics WHERE user_id = %(user)s;
