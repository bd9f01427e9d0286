"""Faults of what is stored that the checks must find, and what only looks like one."""

from __future__ import annotations

from tests.doctor import index_faults, server_faults, table_faults

FAULTS = table_faults.FAULTS + index_faults.FAULTS + server_faults.FAULTS
CALM = table_faults.CALM + index_faults.CALM + server_faults.CALM
