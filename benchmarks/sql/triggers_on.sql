-- From here on as everybody's.
ALTER TABLE jobs ENABLE TRIGGER USER;
