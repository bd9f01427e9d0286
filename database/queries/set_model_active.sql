-- Switch a model on or off.
WITH changed AS (
    UPDATE model_configurations SET is_active = %(active)s::boolean WHERE model_id = %(model_id)s::text RETURNING 1
)
SELECT EXISTS (SELECT FROM changed);
