-- Let unqualified names mean schema public for this transaction, whatever the login's own setting.
SELECT set_config('search_path', 'public', true);
