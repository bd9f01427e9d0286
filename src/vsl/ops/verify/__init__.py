"""Whether an installation is what it should be: the live catalogue beside two new ones."""
