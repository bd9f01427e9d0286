-- Hear when a running job is asked to stop.
LISTEN vsl_cancel;
