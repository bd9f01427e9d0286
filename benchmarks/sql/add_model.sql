-- A priced model, as a hosted one would be.
INSERT INTO model_configurations (model_id, media_type, provider, lane, pricing_per_unit, estimated_time_seconds, max_attempts)
VALUES (%(model)s, %(media_type)s, %(provider)s, 'bench', 0.003, 5, 3);
