-- Hear when a lane has work.
LISTEN vsl_work;
