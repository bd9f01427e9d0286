"""Faults that the checks of what goes on now must find, and what only looks like one.

Where a test cannot wait until a measure has grown (ages of sessions and transactions, lag in time,
gigabytes of WAL), the fault is made for real, the SQL must measure more than 0 of it, and its level
is judged with the measure ``scaled``. The limits themselves are tested on both sides in
``test_judging.py``.
"""

from __future__ import annotations

from tests.doctor import job_faults, replication_faults, schema_faults, session_faults

FAULTS = (
    *session_faults.FAULTS,
    *replication_faults.FAULTS,
    *job_faults.FAULTS,
    *schema_faults.FAULTS,
)

CALM = (
    *session_faults.CALM,
    *replication_faults.CALM,
    *job_faults.CALM,
    *schema_faults.CALM,
)
