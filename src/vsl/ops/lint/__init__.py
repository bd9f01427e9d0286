"""Judging migrations before they run: squawk, VSL's own rules, and the live database's sizes."""

from vsl.ops.lint.finding import Finding, Level
from vsl.ops.lint.linter import OLDEST_VERSION, File, lint, read_file
from vsl.ops.lint.squawk import find_squawk

__all__ = ["OLDEST_VERSION", "File", "Finding", "Level", "find_squawk", "lint", "read_file"]
