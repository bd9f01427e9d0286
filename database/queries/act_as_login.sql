-- Be the login itself, whatever role its sessions begin with.
SET ROLE NONE;
