-- Whether the connection still leads to a server.
SELECT 1;
