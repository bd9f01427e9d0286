"""vsl.jobs.submit against the real registry: a request is checked in full, then one row appears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.conftest import ConnectAsync
from tests.engine.kit import LANE, PRICE, Engine

from vsl.db.statement import Connection, fetch_one
from vsl.db.statements import SubmitJob
from vsl.errors import InvalidInput, NotAllowed, NotFound
from vsl.jobs.submit import check_user, prepare, submit

CANARY = "canary in the prompt"
BOTH = ("cog", "replicate")
SCHEMA = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "width": {"type": "integer", "minimum": 64},
    },
}


@pytest.fixture
async def connection(
    engine: Engine, database: str, connect_async: ConnectAsync
) -> AsyncIterator[Connection]:
    """A session of the program; at the end nothing was written that ought not to be."""
    engine.add_model(
        "sketcher",
        lane=LANE,
        configuration=Jsonb({"url": "http://127.0.0.1:1"}),
        supported_parameters=Jsonb(SCHEMA),
    )
    yield await connect_async(database)
    assert engine.broken_rules() == []


def jobs(engine: Engine) -> int:
    return int(engine.all("SELECT count(*) AS n FROM jobs")[0]["n"])


async def ask(connection: Connection, **changed: Any) -> Any:
    request: dict[str, Any] = {
        "model_id": "sketcher",
        "user_id": "ada",
        "prompt": CANARY,
        "providers": BOTH,
        **changed,
    }
    return await prepare(connection, **request)


async def test_a_good_request_becomes_a_job(connection: Connection, engine: Engine) -> None:
    model, submission = await ask(connection, pairs=["width=128"])
    assert (model.model_id, model.lane, model.pricing_per_unit) == ("sketcher", LANE, PRICE)
    assert submission.parameters == {"width": 128}
    assert jobs(engine) == 0
    job = await submit(connection, submission)
    assert (job.media_type, job.estimated_cost) == ("image", PRICE)
    row = engine.job(job.id)
    assert (row["prompt"], row["parameters"], row["user_id"]) == (CANARY, {"width": 128}, "ada")
    assert engine.claim_one().id == job.id


async def test_a_submission_goes_with_the_callers_transaction(
    connection: Connection, engine: Engine
) -> None:
    _, submission = await ask(connection)
    async with connection.transaction(force_rollback=True):
        job = await submit(connection, submission)
        assert jobs(engine) == 0
    assert jobs(engine) == 0
    async with connection.transaction():
        job = await submit(connection, submission)
    assert engine.status(job.id) == "pending"


@pytest.mark.parametrize(
    ("model_id", "hint"),
    [
        ("sketchr", "Did you mean sketcher"),
        ("flux-schnel", "Did you mean flux-schnell"),
        ("zzzzzz", "See `vsl models list`."),
        ("x" * 10_000, "See `vsl models list`."),
        ("", "See `vsl models list`."),
    ],
)
async def test_an_unknown_model_offers_the_nearest(
    connection: Connection, model_id: str, hint: str
) -> None:
    with pytest.raises(NotFound, match="there is no model") as found:
        await ask(connection, model_id=model_id)
    assert hint in (found.value.hint or "")
    assert len(found.value.message) < 400


async def test_a_model_that_is_switched_off_is_not_offered(
    connection: Connection, engine: Engine
) -> None:
    engine.connection.execute(
        "UPDATE model_configurations SET is_active = false WHERE model_id = 'sketcher'"
    )
    with pytest.raises(NotFound) as found:
        await ask(connection, model_id="sketchr")
    assert "sketcher" not in (found.value.hint or "")
    with pytest.raises(NotAllowed, match="switched off") as refused:
        await ask(connection)
    assert "vsl models enable sketcher" in (refused.value.hint or "")


async def test_a_provider_that_is_not_configured(connection: Connection, engine: Engine) -> None:
    with pytest.raises(NotAllowed, match="replicate, which is not configured") as found:
        await ask(connection, model_id="flux-schnell", providers=["cog"])
    assert found.value.hint == "Set REPLICATE_API_TOKEN here and for the worker."
    assert jobs(engine) == 0


async def test_a_model_without_a_price(connection: Connection, engine: Engine) -> None:
    with pytest.raises(NotAllowed, match="no price") as found:
        await ask(connection, model_id="sdxl")
    assert "pricing_per_unit" in (found.value.hint or "")
    assert jobs(engine) == 0


async def test_a_model_without_a_server(connection: Connection) -> None:
    with pytest.raises(NotAllowed, match="has no server yet") as found:
        await ask(connection, model_id="vsl-image")
    assert "vsl up" in (found.value.hint or "")


async def test_a_tracked_model_needs_no_provider(connection: Connection, engine: Engine) -> None:
    engine.add_model("theirs", provider="external", is_active=False, pricing_per_unit=None)
    model, _ = await ask(connection, model_id="theirs", providers=())
    assert model.provider == "external"


async def test_a_prompt_of_a_megabyte(connection: Connection, engine: Engine) -> None:
    with pytest.raises(InvalidInput) as found:
        await ask(connection, prompt=CANARY * 50_000)
    (problem,) = found.value.problems
    assert (problem.field, problem.reason) == ("prompt", "has 1,000,000 characters")
    assert problem.accepted == "at most 100,000"
    assert CANARY not in str(found.value)
    assert jobs(engine) == 0


async def test_a_prompt_with_a_nul(connection: Connection) -> None:
    with pytest.raises(InvalidInput) as found:
        await ask(connection, prompt=f"{CANARY}\x00")
    assert [problem.field for problem in found.value.problems] == ["prompt"]


@pytest.mark.parametrize("user_id", ["", "a\nb", "\x00", "a\x7f", "a\x85", "u" * 256, "u" * 10_000])
async def test_a_user_that_cannot_be(connection: Connection, engine: Engine, user_id: str) -> None:
    with pytest.raises(InvalidInput) as found:
        await ask(connection, user_id=user_id)
    (problem,) = found.value.problems
    assert problem.field == "user"
    assert len(str(found.value)) < 200
    assert jobs(engine) == 0


@pytest.mark.parametrize("user_id", ["a/b/../c", "ü ñ", "u" * 255, "'; --", "%s", "用户"])
async def test_a_user_that_looks_odd_is_taken_as_it_is(
    connection: Connection, engine: Engine, user_id: str
) -> None:
    _, submission = await ask(connection, user_id=user_id)
    job = await submit(connection, submission)
    assert engine.job(job.id)["user_id"] == user_id


async def test_everything_that_is_wrong_is_said_at_once(
    connection: Connection, engine: Engine
) -> None:
    with pytest.raises(InvalidInput) as found:
        await ask(
            connection,
            user_id="a\nb",
            prompt="",
            pairs=["width=7", "hight=9", "width=8", "=1"],
        )
    fields = [problem.field for problem in found.value.problems]
    assert sorted(fields) == sorted(["width", "argument 4", "user", "prompt", "width", "hight"])
    assert found.value.hint == "See `vsl models show sketcher` for what it accepts."
    assert jobs(engine) == 0


async def test_parameters_may_come_as_values(connection: Connection) -> None:
    _, submission = await ask(connection, parameters={"width": 64}, pairs=["width=128"])
    assert submission.parameters == {"width": 128}
    with pytest.raises(InvalidInput) as found:
        await ask(connection, parameters={"width": "wide"})
    assert [problem.field for problem in found.value.problems] == ["width"]


async def test_the_database_refuses_what_was_not_checked(
    connection: Connection, engine: Engine
) -> None:
    for changed, field in (
        ({"user_id": "u" * 10_000}, "user_id"),
        ({"prompt": CANARY * 50_000}, "prompt"),
        ({"model_id": "nobody"}, "model_id"),
    ):
        request: dict[str, Any] = {
            "model_id": "sketcher",
            "user_id": "ada",
            "prompt": None,
            "parameters": {},
            **changed,
        }
        with pytest.raises(InvalidInput) as found:
            await fetch_one(connection, SubmitJob(**request))
        assert [problem.field for problem in found.value.problems] == [field]
        assert CANARY not in str(found.value)
    assert jobs(engine) == 0


def test_control_characters_are_those_of_the_database(engine: Engine) -> None:
    """What the check lets through, the database takes: no surprise after the check."""
    for number in (*range(1, 0x250), 0x200B, 0x2028, 0x2029, 0xFEFF, 0xFFFD, 0x1F600):
        user_id = f"a{chr(number)}b"
        if check_user(user_id):
            continue
        try:
            with engine.connection.transaction(force_rollback=True):
                engine.submit(user_id=user_id)
        except psycopg.Error as error:
            raise AssertionError(f"U+{number:04X} is refused by the database") from error
