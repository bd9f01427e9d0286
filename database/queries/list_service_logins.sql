-- Logins that have the rights of vsl_app or vsl_worker, and the statement_timeout that each has of its own. What
-- is set on a group does not pass to its members.
SELECT
    r.rolname::text AS name,
    g.rolname::text AS member_of,
    (
        SELECT max(substr(c.text, strpos(c.text, '=') + 1))
        FROM pg_db_role_setting s
        CROSS JOIN LATERAL unnest(s.setconfig) AS c (text)
        WHERE s.setrole = r.oid AND split_part(c.text, '=', 1) = 'statement_timeout'
            AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    ) AS statement_timeout
FROM pg_roles r
JOIN pg_roles g ON g.rolname IN ('vsl_app', 'vsl_worker') AND pg_has_role(r.oid, g.oid, 'MEMBER')
WHERE r.rolcanlogin AND NOT r.rolsuper
ORDER BY name, member_of;
