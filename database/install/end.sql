COMMIT;

\unset QUIET
\echo 'VSL is installed. Next: vsl worker, or see the registry with SELECT model_id FROM model_configurations.'
