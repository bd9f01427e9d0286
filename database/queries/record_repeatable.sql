-- Record that a text was applied.
INSERT INTO vsl.repeatables (path, sha256) VALUES (%(path)s::text, %(sha256)s::text)
ON CONFLICT (path) DO UPDATE SET sha256 = excluded.sha256, applied_at = now();
