-- Settings that some roles or databases have of their own, by ALTER ROLE or ALTER DATABASE; NULL stands for all.
SELECT
    r.rolname::text AS role,
    d.datname::text AS database,
    split_part(c.text, '=', 1) AS name,
    substr(c.text, strpos(c.text, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c (text)
LEFT JOIN pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_database d ON d.oid = s.setdatabase
-- Others may hold what is nobody's business.
WHERE split_part(c.text, '=', 1) = ANY (%(names)s::text[])
ORDER BY name, role NULLS FIRST, database NULLS FIRST;
