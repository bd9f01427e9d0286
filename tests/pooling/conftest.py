"""Fixtures for the tests of pooling: the worker's laboratory, behind a PgBouncer."""

from tests.worker.conftest import lab

__all__ = ["lab"]
