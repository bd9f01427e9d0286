"""Ordering faults and asking for facts over HTTP, for tests in other processes and languages.

============================  =====================================================================
``POST /_fake/advance``       ``{"seconds": 3600}`` moves the clock
``POST /_fake/order``         ``{"fault": "create_drop_after", "times": 2}``
``POST /_fake/rate``          ``{"fault": "callback_drop", "probability": 0.1}``
``POST /_fake/plan``          ``{"status": "failed", "starting": 2, "running": 5}``, for all to come
``GET /_fake/report``         what was made, what was made twice, and which faults there were
============================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vsl.testing.faults import Fault
from vsl.testing.replicate_callbacks import Callbacks
from vsl.testing.replicate_http import Request, Response, not_found
from vsl.testing.replicate_reading import invalid
from vsl.testing.replicate_world import World

PREFIX = "/_fake/"
_PLAN = ("status", "starting", "running", "error", "mime", "data_urls", "logs", "metrics")


def control(world: World, callbacks: Callbacks, request: Request) -> Response:
    """Answer a request below ``PREFIX``. Raises ``Problem``."""
    order = request.path.removeprefix(PREFIX)
    if (request.method, order) == ("GET", "report"):
        return Response(200, _report(world, callbacks))
    given = request.json() if request.method == "POST" else None
    if not isinstance(given, Mapping):
        raise not_found("requested order")
    try:
        _obey(world, order, given)
    except (KeyError, TypeError, ValueError):
        raise invalid(f"- the order {order} cannot be read") from None
    return Response(200, {})


def _obey(world: World, order: str, given: Mapping[str, Any]) -> None:
    match order:
        case "advance":
            world.clock.advance(float(given["seconds"]))
        case "order":
            world.faults.order(Fault(given["fault"]), int(given.get("times", 1)))
        case "rate":
            world.faults.rate(Fault(given["fault"]), float(given["probability"]))
        case "plan":
            if not given.keys() <= set(_PLAN):
                raise KeyError
            world.plan = replace(world.plan, **given)
        case _:
            raise not_found("requested order")


def _report(world: World, callbacks: Callbacks) -> dict[str, Any]:
    counts = world.made_per_input()
    return {
        "made": len(world.predictions),
        "inputs": len(counts),
        "made_twice": sum(count > 1 for count in counts.values()),
        "faults": {fault.value: count for fault, count in world.faults.injected.items()},
        "callbacks": len(callbacks.deliveries),
        "uploads": len(world.uploads),
    }
