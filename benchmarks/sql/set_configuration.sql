-- Where the model's server answers.
UPDATE model_configurations SET configuration = %(configuration)s WHERE model_id = %(model)s;
