"""Use cases that change the state of jobs."""
