-- Record where a model's server answers; NULL takes the address away.
UPDATE model_configurations
SET configuration = CASE
    WHEN %(url)s::text IS NULL THEN configuration - 'url'
    ELSE configuration || jsonb_build_object('url', %(url)s::text)
END
WHERE model_id = %(model_id)s::text;
