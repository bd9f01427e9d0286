"""Stand-ins for the outside world, for tests of VSL and of what people build on it.

``FakeProvider`` is a provider that follows a script, inside the process. ``FakeReplicate`` is a
server that speaks Replicate's HTTP API and has faults on demand; ``python -m vsl.testing`` runs it
alone. Both are held to the same contract suites as the real ones (tests/providers).
"""

from __future__ import annotations

from vsl.testing.clock import FakeClock
from vsl.testing.faults import Fault, Faults
from vsl.testing.provider import Fail, FakeProvider, Hang, Refuse, Step, Succeed
from vsl.testing.replicate import FakeReplicate
from vsl.testing.replicate_app import Heard
from vsl.testing.replicate_callbacks import Delivery, sign
from vsl.testing.replicate_models import FakeModel, FakeVersion
from vsl.testing.replicate_predictions import FakePrediction, Plan
from vsl.testing.serving import AsgiServer, ConnectionDropped

__all__ = [
    "AsgiServer",
    "ConnectionDropped",
    "Delivery",
    "Fail",
    "FakeClock",
    "FakeModel",
    "FakePrediction",
    "FakeProvider",
    "FakeReplicate",
    "FakeVersion",
    "Fault",
    "Faults",
    "Hang",
    "Heard",
    "Plan",
    "Refuse",
    "Step",
    "Succeed",
    "sign",
]
