-- The users' settings as VSL would hold them; refusals as with jobs. Nothing is mended.
CREATE TEMPORARY VIEW adopted_preferences AS
SELECT
    coalesce(o.r ->> 'user_id', '(none)') AS key,
    '{}'::text[] AS mends,
    array_remove(ARRAY[
        CASE WHEN o.r ->> 'user_id' IS NULL THEN 'user_id:missing' WHEN char_length(o.r ->> 'user_id') > 255 THEN 'user_id:form' END,
        CASE WHEN count(*) OVER (PARTITION BY o.r ->> 'user_id') > 1 THEN 'user_id:repeated' END,
        CASE
            WHEN pg_temp.truth(o.r -> 'notification_enabled') IS NULL AND coalesce(o.r -> 'notification_enabled', 'null') <> 'null'
            THEN 'notification_enabled:impossible'
        END
    ], NULL) AS refusals,
    o.r ->> 'user_id' AS user_id,
    pg_temp.truth(o.r -> 'notification_enabled') AS notification_enabled,
    nullif(o.r -> 'preferred_models', 'null') AS preferred_models,
    pg_temp.moment(o.r -> 'created_at') AS created_at
FROM original_preferences o;
