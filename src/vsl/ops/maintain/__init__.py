"""Maintenance by the numbers: what is due, why, and doing it one after the other."""
