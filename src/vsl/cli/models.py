"""``vsl models``: the registry, and the servers of the models that come with VSL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.text import Text

from vsl.cli import completion
from vsl.cli.assembly import connected, provider_names
from vsl.cli.output import JsonOption, Listing, money, print_json, say, seconds
from vsl.cli.stopping import cancelled_by, run
from vsl.cli.worker import stop_on_signals
from vsl.config import load
from vsl.db.statement import execute, fetch, fetch_value
from vsl.db.statements import AddModel, ListModels, SetModelActive
from vsl.domain.jobs import Model
from vsl.domain.media import MEDIA_TYPES
from vsl.errors import InvalidInput, NotAllowed, Problem, ProviderError, VslError
from vsl.jobs.submit import check_model, find_model
from vsl.logs import configure
from vsl.models.catalogue import SHIPPED
from vsl.models.schemas import input_schema

ModelId = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model.", autocompletion=completion.models)
]

#: US dollars a job, and seconds: beyond these a typing error is more likely.
MAX_PRICE = 1_000_000
MAX_TIME = 7 * 24 * 3600


def list_(as_json: JsonOption = False) -> None:
    """All models, and whether they can run now."""

    async def work() -> list[Model]:
        async with connected() as connection:
            return await fetch(connection, ListModels())

    found = run(work())
    if as_json:
        print_json(found)
        return
    made = Listing(
        ("model", "makes", "runs at", "price", "usual time", "state"), ("price", "usual time")
    )
    providers = provider_names(load())
    for model in found:
        made.add(
            model.model_id,
            model.media_type,
            model.provider,
            _price(model),
            seconds(model.estimated_time_seconds),
            _state(model, providers),
        )
    made.show()


def show(model_id: ModelId, as_json: JsonOption = False) -> None:
    """One model: what it makes, what it costs, which parameters it takes."""

    async def work() -> Model:
        async with connected() as connection:
            return await find_model(connection, model_id)

    model = run(work())
    if as_json:
        print_json(model)
        return
    about = model.description or f"makes {model.media_type}"
    say(Text(f"{model.model_id}:", style="bold"), about)
    price = _price(model) + ("" if model.is_free else " a job")
    state = _state(model, provider_names(load()))
    say(f"makes {model.media_type}, runs at {model.provider}, {price}:", state)
    if model.supported_parameters:
        _parameters(model.supported_parameters)
    else:
        say("Its parameters are not known here, so they are not checked before it runs.")


def add(
    model_id: Annotated[str, typer.Argument(metavar="MODEL", help="The name that jobs will use.")],
    url: Annotated[
        str,
        typer.Option(metavar="URL", help="Address of its Cog server, such as http://gpu1:5000."),
    ],
    makes: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help=f"What it makes: {', '.join(MEDIA_TYPES)}.",
            autocompletion=completion.media_types,
        ),
    ],
    price: Annotated[
        str | None,
        typer.Option(metavar="DOLLARS", help="US dollars a job. Left out: the model is free."),
    ] = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A line about it.")
    ] = None,
    usual_time: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_TIME, metavar="SECONDS", help="Time that it usually takes."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a model that a Cog server runs, or change it. The server is asked for its parameters."""
    problems = []
    if makes not in MEDIA_TYPES:
        problems.append(Problem("--makes", "is not known", "one of " + ", ".join(MEDIA_TYPES)))
    if not _is_web_address(url):
        problems.append(Problem("--url", "is not a web address", "http://… or https://…"))
    amount = _amount(price, problems)
    if problems:
        raise InvalidInput(problems)

    async def work() -> None:
        schema = await _fetch_schema(url)
        async with connected() as connection:
            await execute(
                connection,
                AddModel(
                    model_id=model_id,
                    media_type=makes,
                    provider="cog",
                    configuration={"url": url.rstrip("/")},
                    supported_parameters=schema,
                    description=description,
                    pricing_per_unit=amount,
                    is_free=amount is None,
                    estimated_time_seconds=usual_time,
                ),
            )

    run(work())
    if as_json:
        print_json({"model_id": model_id, "url": url})
    else:
        say(f"{model_id} is in the registry; see `vsl models show {model_id}`.")


def enable(model_id: ModelId, as_json: JsonOption = False) -> None:
    """Let a model take jobs."""
    _switch(model_id, active=True, as_json=as_json)


def disable(model_id: ModelId, as_json: JsonOption = False) -> None:
    """Let a model take no new jobs; those that wait still run."""
    _switch(model_id, active=False, as_json=as_json)


def serve(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Which of the models that come with VSL; all.",
            autocompletion=completion.shipped_models,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the servers of the models that come with VSL until interrupted."""
    from vsl.cli.serving import serve_models

    config = load()
    configure(format=config.log_format, level=config.log_level)
    known = {model.model_id: model for model in SHIPPED}
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        accepted = "one of " + ", ".join(known)
        raise InvalidInput([Problem(n, "does not come with VSL", accepted) for n in unknown])
    chosen = [known[name] for name in dict.fromkeys(names)] if names else list(SHIPPED)

    async def work() -> None:
        stop = stop_on_signals()
        async with AsyncExitStack() as exits:
            async with cancelled_by(stop):
                servers = await exits.enter_async_context(serve_models(config, chosen))
            if as_json:
                print_json({"models": {server.model.model_id: server.url for server in servers}})
            else:
                for server in servers:
                    say(f"{server.model.model_id} answers at {server.url}")
                say("Stop with Ctrl-C.")
            await stop.wait()

    run(work())


def _switch(model_id: str, *, active: bool, as_json: bool) -> None:
    async def work() -> None:
        async with connected() as connection:
            if not await fetch_value(connection, SetModelActive(model_id=model_id, active=active)):
                await find_model(connection, model_id)

    run(work())
    if as_json:
        print_json({"model_id": model_id, "is_active": active})
    else:
        say(f"{model_id} is {'on' if active else 'off'}.")


def _price(model: Model) -> str:
    return "free" if model.is_free else money(model.pricing_per_unit)


def _state(model: Model, providers: frozenset[str]) -> Text:
    """Whether a model can run now, in a few words."""
    if model.provider == "external":
        return Text("tracked only")
    if model.is_active and model.provider not in providers:
        return Text("not configured", style="yellow")
    try:
        check_model(model, providers)
    except NotAllowed as error:
        words = error.message.removeprefix(f"model {model.model_id} ").partition(",")[0]
        return Text(words, style="yellow")
    return Text("ready", style="green")


def _parameters(schema: dict[str, Any]) -> None:
    made = Listing(("parameter", "type", "accepts", "default", "about"))
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    for name in sorted(properties, key=lambda name: (name not in required, name)):
        about = properties[name]
        default = "required" if name in required else str(about.get("default", "–"))
        made.add(name, _type(about), _accepts(about), default, str(about.get("description", "")))
    say()
    made.show()


def _type(schema: dict[str, Any]) -> str:
    named = schema.get("type")
    if isinstance(named, str):
        return named
    if isinstance(named, list):
        return " or ".join(kind for kind in named if kind != "null")
    options = [_type(option) for option in schema.get("anyOf", []) if option.get("type") != "null"]
    return " or ".join(options) or "any"


def _accepts(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        return f"{'' if low is None else low} … {'' if high is None else high}".strip()
    if "maxLength" in schema:
        return f"up to {schema['maxLength']} characters"
    return "–"


def _amount(price: str | None, problems: list[Problem]) -> Decimal | None:
    if price is None:
        return None
    try:
        amount = Decimal(price)
        valid = amount.is_finite() and 0 < amount <= MAX_PRICE
    except ArithmeticError:
        valid = False
    if not valid:
        problems.append(
            Problem("--price", "is not an amount", "a positive number of US dollars, such as 0.003")
        )
        return None
    return amount


def _is_web_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        return False
    host = re.fullmatch(r"[\w.:-]+", address.hostname or "")
    return address.scheme in ("http", "https") and host is not None and port != 0


async def _fetch_schema(url: str) -> dict[str, Any]:
    import httpx  # nothing else in this file needs it, and it is slow to load

    address = url.rstrip("/") + "/openapi.json"
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.get(address)
            answer.raise_for_status()
            return input_schema(answer.json())
    except VslError:
        raise
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ProviderError(
            f"no Cog server answers with its parameters at {url} ({type(error).__name__})",
            hint="Start the server, or correct --url.",
        ) from error


#: The verbs of ``vsl models``.
VERBS: Mapping[str, Callable[..., Any]] = {
    "list": list_,
    "show": show,
    "add": add,
    "enable": enable,
    "disable": disable,
    "serve": serve,
}
