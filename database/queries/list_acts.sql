-- The newest administrative acts.
SELECT e.id, e.happened_at, e.actor, e.application, e.act, e.subject, e.detail
FROM vsl.audit_entries e
ORDER BY e.id DESC
LIMIT %(count)s::integer;
