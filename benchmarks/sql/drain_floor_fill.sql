-- The same queue for the floor.
INSERT INTO floor_jobs SELECT * FROM public.jobs j WHERE j.status = 'pending';
INSERT INTO floor_dispatch SELECT * FROM vsl.dispatch;
INSERT INTO floor_ledger SELECT l.* FROM vsl.ledger_entries l JOIN vsl.dispatch d USING (job_id);
