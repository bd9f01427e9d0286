-- The money is settled.
INSERT INTO floor_ledger (job_id, public_job_id, user_id, model_id, run, closes, kind, held, charged)
SELECT e.job_id, e.public_job_id, e.user_id, %(model)s, 1, true, 'settle', -e.cost, e.cost
FROM unnest(%(ended)s::uuid[], %(names)s::text[], %(users)s::text[], %(costs)s::numeric[])
    AS e (job_id, public_job_id, user_id, cost);
