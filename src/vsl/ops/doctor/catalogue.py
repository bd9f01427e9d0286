"""All checks."""

from __future__ import annotations

from vsl.ops.doctor.check import Check
from vsl.ops.doctor.live import LIVE
from vsl.ops.doctor.storage import STORAGE

#: Every check, in the order in which they are asked.
CHECKS: tuple[Check, ...] = LIVE + STORAGE
