-- Be the login again, whoever a file has become.
RESET ROLE;
