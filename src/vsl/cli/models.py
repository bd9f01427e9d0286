"""``vsl models``: the registry, and the servers of the models that come with VSL."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from vsl.cli.assembly import connected, provider_names, run
from vsl.cli.output import JsonOption, money, out, print_json, seconds, table
from vsl.cli.serving import serve_models
from vsl.config import load
from vsl.db.statement import execute, fetch, fetch_value
from vsl.db.statements import AddModel, ListModels, SetModelActive
from vsl.domain.jobs import Model
from vsl.domain.media import MEDIA_TYPES
from vsl.errors import InvalidInput, NotAllowed, Problem, ProviderError, VslError
from vsl.jobs.submit import check_model, find_model
from vsl.models.catalogue import SHIPPED
from vsl.models.schemas import input_schema

app = typer.Typer(no_args_is_help=True, help="The models that jobs can name.")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """All models, and whether they can run now."""

    async def work() -> list[Model]:
        async with connected() as connection:
            return await fetch(connection, ListModels())

    found = run(work())
    if as_json:
        print_json(found)
        return
    providers = provider_names(load())
    made = table("model", "makes", "runs at", "price", "usual time", "state", right=("price",))
    for model in found:
        made.add_row(
            model.model_id,
            model.media_type,
            model.provider,
            "free" if model.is_free else money(model.pricing_per_unit),
            seconds(model.estimated_time_seconds),
            _state(model, providers),
        )
    out.print(made)


@app.command()
def show(
    model_id: Annotated[str, typer.Argument(help="The model.")], as_json: JsonOption = False
) -> None:
    """One model: what it makes, what it costs, which parameters it takes."""

    async def work() -> Model:
        async with connected() as connection:
            return await find_model(connection, model_id)

    model = run(work())
    if as_json:
        print_json(model)
        return
    out.print(f"[bold]{model.model_id}[/]: {model.description or model.media_type}")
    out.print(
        f"makes {model.media_type}, runs at {model.provider}, "
        f"{'free' if model.is_free else money(model.pricing_per_unit)} a job; "
        f"{_state(model, provider_names(load()))}"
    )
    if model.supported_parameters:
        out.print(_parameters(model.supported_parameters))
    else:
        out.print("Its parameters are not known here, so they are not checked before it runs.")


@app.command()
def add(
    model_id: Annotated[str, typer.Argument(help="The name that jobs will use.")],
    url: Annotated[str, typer.Option(help="Address of its Cog server, such as http://gpu1:5000.")],
    makes: Annotated[str, typer.Option(help=f"What it makes: {', '.join(MEDIA_TYPES)}.")],
    price: Annotated[
        str | None, typer.Option(help="US dollars a job. Left out: the model is free.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="A line about it.")] = None,
    usual_time: Annotated[
        int | None, typer.Option(min=1, help="Seconds that it usually takes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a model that a Cog server runs, or change it. The server is asked for its parameters."""
    problems = []
    if makes not in MEDIA_TYPES:
        problems.append(Problem("--makes", "is not known", "one of " + ", ".join(MEDIA_TYPES)))
    if httpx.URL(url).scheme not in ("http", "https"):
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
        out.print(f"{model_id} is in the registry; see `vsl models show {model_id}`.")


@app.command()
def enable(
    model_id: Annotated[str, typer.Argument(help="The model.")], as_json: JsonOption = False
) -> None:
    """Let a model take jobs."""
    _switch(model_id, active=True, as_json=as_json)


@app.command()
def disable(
    model_id: Annotated[str, typer.Argument(help="The model.")], as_json: JsonOption = False
) -> None:
    """Let a model take no new jobs; those that wait still run."""
    _switch(model_id, active=False, as_json=as_json)


@app.command()
def serve(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which of the models that come with VSL; all.")
    ] = None,
) -> None:
    """Run the servers of the models that come with VSL until interrupted."""
    config = load()
    known = {model.model_id: model for model in SHIPPED}
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        problem = Problem(unknown[0], "does not come with VSL", "one of " + ", ".join(known))
        raise InvalidInput([problem])
    chosen = [known[name] for name in names] if names else list(SHIPPED)

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with serve_models(config, chosen) as servers:
            for server in servers:
                out.print(f"{server.model.model_id} answers at {server.url}")
            out.print("Stop with Ctrl-C.")
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
        out.print(f"{model_id} is {'on' if active else 'off'}.")


def _state(model: Model, providers: frozenset[str]) -> str:
    try:
        check_model(model, providers)
    except NotAllowed as error:
        return f"[yellow]{error.message.removeprefix(f'model {model.model_id} ')}[/]"
    return "[green]ready[/]" if model.provider != "external" else "tracked only"


def _parameters(schema: dict[str, Any]) -> Table:
    made = table("parameter", "type", "accepts", "default", "about")
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    for name in sorted(properties, key=lambda name: (name not in required, name)):
        about = properties[name]
        default = "required" if name in required else str(about.get("default", "–"))
        made.add_row(
            name, _type(about), _accepts(about), default, str(about.get("description", ""))
        )
    return made


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
        valid = amount.is_finite() and amount > 0
    except ArithmeticError:
        valid = False
    if not valid:
        problems.append(Problem("--price", "is not an amount", "a positive number of US dollars"))
        return None
    return amount


async def _fetch_schema(url: str) -> dict[str, Any]:
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
