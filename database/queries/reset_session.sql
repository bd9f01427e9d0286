-- Undo what a file has set for the whole session.
RESET ALL;
