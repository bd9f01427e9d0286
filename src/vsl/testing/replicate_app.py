"""The fake Replicate server as an ASGI application: its routes and what they answer.

Faithful to the API as of autumn 2026: paths, bodies, statuses, problems, times of keeping.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode

from vsl.testing.faults import Fault
from vsl.testing.replicate_callbacks import Callbacks
from vsl.testing.replicate_control import PREFIX, control
from vsl.testing.replicate_delivery import deliver
from vsl.testing.replicate_http import (
    Problem,
    Request,
    Response,
    not_found,
    read_query,
    refusal,
    unauthenticated,
)
from vsl.testing.replicate_models import FakeVersion
from vsl.testing.replicate_predictions import FakePrediction
from vsl.testing.replicate_reading import (
    invalid,
    read_creation,
    read_cursor,
    read_duration,
    read_time,
    read_wait,
    write_cursor,
)
from vsl.testing.replicate_world import Settings, World
from vsl.testing.serving import ConnectionDropped, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Heard:
    """One request that came. authorized: whether it carried the header Authorization."""

    method: str
    path: str
    authorized: bool


class ReplicateApp:
    """The routes. heard: every request, in order."""

    def __init__(self, world: World, callbacks: Callbacks, settings: Settings) -> None:
        self.world = world
        self.settings = settings
        self.heard: list[Heard] = []
        self._callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here")
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        body, more = bytearray(), True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = read_query(scope["query_string"])
        request = Request(scope["method"], scope["path"], query, headers, bytes(body))
        self.heard.append(Heard(request.method, request.path, "authorization" in headers))
        if request.path.startswith("/delivery/"):
            await deliver(self.world, self.settings, request, send)
            return
        try:
            response = await self._answer(request)
        except Problem as problem:
            response = problem.response
        except _Silence:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await self._send(response, send)

    async def _send(self, response: Response, send: Send) -> None:
        headers, content = response.encoded()
        date = format_datetime(self.world.clock.today(), usegmt=True)
        headers.append((b"date", date.encode()))
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        await send(start)
        if isinstance(response, _CutResponse):
            half = content[: len(content) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            raise ConnectionDropped
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("authorization") not in self._accepted():
            raise unauthenticated()
        if request.path.startswith(PREFIX):
            return control(self.world, self._callbacks, request)
        for method, pattern, handler in _ROUTES:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return await handler(self, request, *match.groups())
        raise not_found("requested resource")

    def _accepted(self) -> tuple[str, str]:
        return f"Bearer {self.settings.token}", f"Token {self.settings.token}"

    # --- creating -------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        """``POST /predictions``."""
        given = request.json()
        named = given.get("version") if isinstance(given, Mapping) else None
        if not isinstance(named, str) or not named:
            raise invalid("- version is required")
        model, colon, version_id = named.partition(":")
        if not colon and "/" in named:
            return await self._create_official(request, named)
        found = self.world.version_named(version_id if colon else named)
        if found is None or (colon and found[0] != model):
            raise Problem(
                422,
                "Invalid version or not permitted",
                "The specified version does not exist (or perhaps you don't have permission to"
                " use it?)",
            )
        return await self._create(request, found[0], found[1], official=False)

    async def create_official(self, request: Request, owner: str, name: str) -> Response:
        """``POST /models/{owner}/{name}/predictions``."""
        return await self._create_official(request, f"{owner}/{name}")

    async def _create_official(self, request: Request, name: str) -> Response:
        model = self.world.model_named(name, official=True)
        if model is None or not model.official:
            raise not_found("requested resource")
        return await self._create(request, name, model.versions[0], official=True)

    async def create_deployed(self, request: Request, owner: str, name: str) -> Response:
        """``POST /deployments/{owner}/{name}/predictions``."""
        model = self.world.model_named(f"{owner}/{name}", official=False)
        if model is None:
            raise not_found("requested deployment")
        deployment = f"{owner}/{name}"
        return await self._create(
            request, deployment, model.versions[0], official=False, deployment=deployment
        )

    async def _create(
        self,
        request: Request,
        model: str,
        version: FakeVersion,
        *,
        official: bool,
        deployment: str | None = None,
    ) -> Response:
        facts = read_creation(request, version)
        lifetime = read_duration(request.headers.get("cancel-after"))
        wait = read_wait(request.headers.get("prefer"))
        fault = self.world.faults.take("create")
        if fault is not None and not fault.after:
            return self._without_answer(fault)
        prediction = self.world.make(
            model=model, version=version.id, deployment=deployment, official=official, **facts
        )
        prediction.fault = fault
        if lifetime is not None:
            prediction.deadline_at = prediction.created_at + lifetime
        self._callbacks.begin(prediction, lambda: self._body(prediction, request, echo=True))
        if fault is Fault.CREATE_CUT_AFTER:
            return _CutResponse(201, self._body(prediction, request))
        if fault is not None:
            return self._without_answer(fault)
        return await self._created(prediction, request, wait)

    def _without_answer(self, fault: Fault) -> Response:
        """The answer of a fault, which may be none."""
        if fault in (Fault.CREATE_SILENT_AFTER, Fault.CREATE_SILENT_BEFORE):
            raise _Silence
        response = refusal(fault, self.world.clock)
        if response is None:
            raise ConnectionDropped
        return response

    async def _created(
        self, prediction: FakePrediction, request: Request, wait: float | None
    ) -> Response:
        clock = self.world.clock
        if wait is None:
            return Response(201, self._body(prediction, request))
        until = clock.now() + wait
        while clock.now() < until and prediction.state(clock.now()).completed_at is None:
            change = prediction.next_change(clock.now())
            await clock.pause(until if change is None else min(until, change))
        body = self._body(prediction, request)
        done = body["completed_at"] is not None
        if not done:
            body["status"] = "starting"  # as the API has it when the wait runs out
        applied = {"preference-applied": f"wait={wait:g}"}
        return Response(201 if done else 202, body, applied)

    # --- reading --------------------------------------------------------------------------------

    async def read(self, request: Request, prediction_id: str) -> Response:
        """``GET /predictions/{id}``."""
        self._maybe_fail()
        return Response(200, self._body(self._prediction(prediction_id), request, echo=True))

    async def cancel(self, request: Request, prediction_id: str) -> Response:
        """``POST /predictions/{id}/cancel``."""
        self._maybe_fail()
        prediction = self._prediction(prediction_id)
        self.world.cancel(prediction)
        return Response(200, self._body(prediction, request, echo=True))

    async def list_predictions(self, request: Request) -> Response:
        """``GET /predictions``: newest first, a page at a time."""
        self._maybe_fail()
        size = self.settings.page_size
        after = read_time(request.query.get("created_after"), default=float("-inf"))
        before = read_time(request.query.get("created_before"), default=float("inf"))
        cursor = read_cursor(request.query.get("cursor"))
        visible = self.world.clock.now() - self.settings.list_lag
        chosen = [
            made
            for made in reversed(self.world.predictions.values())
            if after <= made.created_at < before
            and made.created_at <= visible
            and (cursor is None or made.number < cursor)
        ]
        page, rest = chosen[:size], chosen[size:]
        following = None
        if rest:
            more = {**request.query, "cursor": write_cursor(page[-1].number)}
            following = f"{request.origin}/v1/predictions?{urlencode(more)}"
        results = [self._body(made, request) for made in page]
        return Response(200, {"previous": None, "next": following, "results": results})

    def _prediction(self, prediction_id: str) -> FakePrediction:
        prediction = self.world.predictions.get(prediction_id)
        if prediction is None:
            raise not_found("requested prediction")
        return prediction

    def _body(
        self, prediction: FakePrediction, request: Request, *, echo: bool | None = None
    ) -> dict[str, Any]:
        return prediction.body(
            self.world.clock.now(),
            origin=request.origin,
            retention=self.settings.retention,
            echo=self.settings.echo_webhook if echo is None else echo,
        )

    def _maybe_fail(self) -> None:
        fault = self.world.faults.take("read")
        if fault is None:
            return
        response = refusal(fault, self.world.clock)
        if response is None:
            raise ConnectionDropped
        problem = Problem(response.status, "", "")
        problem.response = response
        raise problem

    # --- models, account, files -----------------------------------------------------------------

    async def model(self, request: Request, owner: str, name: str) -> Response:  # noqa: ARG002
        """``GET /models/{owner}/{name}``."""
        found = self.world.model_named(f"{owner}/{name}", official=True)
        if found is None:
            raise not_found("requested model")
        return Response(200, found.body())

    async def versions(self, request: Request, owner: str, name: str) -> Response:
        """``GET /models/{owner}/{name}/versions``."""
        await self.model(request, owner, name)
        bodies = [version.body() for version in self.world.models[f"{owner}/{name}"].versions]
        return Response(200, {"previous": None, "next": None, "results": bodies})

    async def version(self, request: Request, owner: str, name: str, version: str) -> Response:
        """``GET /models/{owner}/{name}/versions/{id}``."""
        await self.model(request, owner, name)
        for made in self.world.models[f"{owner}/{name}"].versions:
            if made.id == version:
                return Response(200, made.body())
        raise not_found("requested version")

    async def webhook_secret(self, request: Request) -> Response:  # noqa: ARG002
        """``GET /webhooks/default/secret``."""
        return Response(200, {"key": self.settings.webhook_key})

    async def account(self, request: Request) -> Response:  # noqa: ARG002
        """``GET /account``."""
        body = {"type": "organization", "username": "fake", "name": "Fake", "github_url": None}
        return Response(200, body)

    async def hardware(self, request: Request) -> Response:  # noqa: ARG002
        """``GET /hardware``."""
        return Response(
            200, [{"name": "CPU", "sku": "cpu"}, {"name": "Nvidia T4", "sku": "gpu-t4"}]
        )

    async def upload(self, request: Request) -> Response:
        """``POST /files``."""
        parts = request.parts()
        if "content" not in parts:
            raise invalid("- content is required")
        name, mime, content = parts["content"]
        metadata: Mapping[str, Any] = {}
        if "metadata" in parts:
            metadata = Request("", "", {}, {}, parts["metadata"][2]).json()
        made = self.world.upload(name, mime, content, metadata)
        return Response(201, made.body(request.origin))

    async def uploads(self, request: Request) -> Response:
        """``GET /files``."""
        kept = [self.world.kept_upload(file_id) for file_id in reversed(self.world.uploads)]
        bodies = [upload.body(request.origin) for upload in kept if upload is not None]
        return Response(200, {"previous": None, "next": None, "results": bodies})

    async def uploaded(self, request: Request, file_id: str) -> Response:
        """``GET /files/{id}``."""
        upload = self.world.kept_upload(file_id)
        if upload is None:
            raise not_found("requested file")
        return Response(200, upload.body(request.origin))

    async def delete_upload(self, request: Request, file_id: str) -> Response:
        """``DELETE /files/{id}``."""
        await self.uploaded(request, file_id)
        del self.world.uploads[file_id]
        return Response(204, b"")


class _Silence(Exception):
    """No answer until the client leaves."""


@dataclass(frozen=True)
class _CutResponse(Response):
    """An answer of which half is sent."""


_Handler = Callable[..., Awaitable[Response]]
_ID = r"([A-Za-z0-9._-]+)"


def _route(method: str, path: str, handler: _Handler) -> tuple[str, re.Pattern[str], _Handler]:
    return method, re.compile(r"/v1" + path.replace("{}", _ID)), handler


_ROUTES: Final = (
    _route("POST", "/predictions", ReplicateApp.create),
    _route("GET", "/predictions", ReplicateApp.list_predictions),
    _route("GET", "/predictions/{}", ReplicateApp.read),
    _route("POST", "/predictions/{}/cancel", ReplicateApp.cancel),
    _route("POST", "/models/{}/{}/predictions", ReplicateApp.create_official),
    _route("POST", "/deployments/{}/{}/predictions", ReplicateApp.create_deployed),
    _route("GET", "/models/{}/{}", ReplicateApp.model),
    _route("GET", "/models/{}/{}/versions", ReplicateApp.versions),
    _route("GET", "/models/{}/{}/versions/{}", ReplicateApp.version),
    _route("GET", "/webhooks/default/secret", ReplicateApp.webhook_secret),
    _route("GET", "/account", ReplicateApp.account),
    _route("GET", "/hardware", ReplicateApp.hardware),
    _route("POST", "/files", ReplicateApp.upload),
    _route("GET", "/files", ReplicateApp.uploads),
    _route("GET", "/files/{}", ReplicateApp.uploaded),
    _route("DELETE", "/files/{}", ReplicateApp.delete_upload),
)
