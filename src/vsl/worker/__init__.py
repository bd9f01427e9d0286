"""The process that drives jobs: claim, submit, follow, collect, finish."""
