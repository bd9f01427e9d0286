"""A fake Replicate: the whole HTTP API that VSL uses, on a port of this machine, with faults.

```python
async with FakeReplicate() as fake:
    fake.faults.order(Fault.CREATE_DROP_AFTER)
    ...  # something that makes predictions at fake.url with fake.token
    assert not fake.bought_twice()
```
"""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vsl.testing.clock import FakeClock
from vsl.testing.faults import Faults
from vsl.testing.replicate_app import Heard, ReplicateApp
from vsl.testing.replicate_callbacks import Callbacks, Delivery
from vsl.testing.replicate_models import PICTURE_CHOICES, PICTURE_INPUT, FakeModel
from vsl.testing.replicate_predictions import FakePrediction, Plan
from vsl.testing.replicate_world import Settings, World
from vsl.testing.serving import AsgiServer

HOUR = 3600.0


class FakeReplicate:
    """A server like Replicate's, its account, and what really happened at it.

    token: that it accepts; one is made up. port: 0 takes any that is free. seed: of the faults
    that come by chance. retention: seconds that inputs and outputs are kept after a prediction
    ended. list_lag: seconds until a prediction appears in the list. echo_webhook: whether the
    list shows callback addresses. page_size: predictions on a page of the list. any_model:
    whether models that were not added are made up; they take any input. slow_pause: seconds
    between the pieces of a slow download.

    ``plan``, ``then`` and ``choose_plan`` say what becomes of predictions, ``clock`` moves its
    time, ``faults`` orders faults. It belongs to the event loop that it was started in.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        port: int = 0,
        seed: int = 0,
        retention: float = HOUR,
        list_lag: float = 0.0,
        echo_webhook: bool = False,
        page_size: int = 100,
        any_model: bool = True,
        slow_pause: float = 0.05,
    ) -> None:
        self.clock = FakeClock()
        self.faults = Faults(seed)
        self.settings = Settings(
            token=token or f"r8_{secrets.token_hex(18)}",
            webhook_key="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
            retention=retention,
            list_lag=list_lag,
            echo_webhook=echo_webhook,
            page_size=page_size,
            slow_pause=slow_pause,
        )
        self._world = World(self.clock, self.faults, any_model=any_model)
        self._callbacks = Callbacks(self.clock, self.faults, self.settings.webhook_key)
        #: The ASGI application, for other servers; one of these answers a dropped connection
        #: with a 500.
        self.app = ReplicateApp(self._world, self._callbacks, self.settings)
        self._server = AsgiServer(self.app, port=port)

    async def __aenter__(self) -> FakeReplicate:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop serving and sending callbacks."""
        await self._callbacks.close()
        await self._server.stop()

    # --- where it is ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address of the API, with ``/v1``."""
        return f"{self._server.url}/v1"

    @property
    def origin(self) -> str:
        """The address without ``/v1``: what the official client calls the base URL."""
        return self._server.url

    @property
    def host(self) -> str:
        """Host and port, where the output files are as well."""
        return self._server.url.removeprefix("http://")

    @property
    def token(self) -> str:
        """The token that it accepts."""
        return self.settings.token

    @property
    def webhook_key(self) -> str:
        """The key that callbacks are signed with, ``whsec_`` included."""
        return self.settings.webhook_key

    # --- what it is to do -----------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """What becomes of predictions."""
        return self._world.plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._world.plan = plan

    def then(self, *plans: Plan) -> None:
        """What becomes of the next predictions, one after the other."""
        self._world.plans.extend(plans)

    def choose_plan(self, chooser: Callable[[Mapping[str, Any]], Plan] | None) -> None:
        """Choose plans by the input, or no longer."""
        self._world.plan_for = chooser

    def add_model(
        self,
        model: str,
        *,
        official: bool = False,
        input_schema: Mapping[str, Any] = PICTURE_INPUT,
        choices: Mapping[str, Any] = PICTURE_CHOICES,
    ) -> FakeModel:
        """Let it know a model, ``owner/name``, whose inputs are then checked."""
        return self._world.add_model(
            model, official=official, input_schema=input_schema, choices=choices
        )

    async def callbacks_sent(self) -> None:
        """Wait until every callback was sent that is to be sent."""
        await self._callbacks.idle()

    # --- what really happened -------------------------------------------------------------------

    @property
    def made(self) -> Sequence[FakePrediction]:
        """Every prediction that was really made, in order."""
        return list(self._world.predictions.values())

    def made_per_input(self) -> Counter[str]:
        """How many predictions were made of each thing asked for (JSON: what ran, its input)."""
        return self._world.made_per_input()

    def bought_twice(self) -> list[str]:
        """The things asked for of which more than one prediction was made."""
        return [key for key, count in self.made_per_input().items() if count > 1]

    @property
    def heard(self) -> Sequence[Heard]:
        """Every request, in order."""
        return self.app.heard

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """Every callback that was sent, in order."""
        return self._callbacks.deliveries

    @property
    def uploaded(self) -> Sequence[bytes]:
        """The contents of the files that were given to it, in order."""
        return [upload.content for upload in self._world.uploads.values()]
