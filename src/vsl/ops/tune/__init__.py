"""Settings of the server: what they should be, what they are, and what speaks for a change."""
