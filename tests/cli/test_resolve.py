"""``vsl jobs resolve``, and what is said where Replicate is not configured."""

from __future__ import annotations

import pytest
from tests.cli.program import Up

from vsl.cli.assembly import make_providers, provider_names
from vsl.config import load
from vsl.errors import InvalidInput


def psql(up: Up, query: str) -> str:
    return up.vsl("db", "psql", "-qAt", "-c", query).out.strip()


@pytest.fixture
def unknown(up: Up) -> str:
    """A job whose attempt got no answer. No worker here takes its lane."""
    job = psql(
        up, "INSERT INTO jobs (user_id, model_id) VALUES ('a', 'flux-schnell') RETURNING job_id"
    )
    psql(
        up,
        "WITH c AS MATERIALIZED (SELECT * FROM vsl.claim_jobs('w', '{replicate}', 100, 60)),"
        " b AS MATERIALIZED (SELECT array_agg(id) AS ids, array_agg(epoch) AS epochs FROM c)"
        " SELECT count(*) FROM b, vsl.begin_attempts(b.ids, b.epochs)",
    )
    psql(
        up,
        "SELECT vsl.defer_job(job_id, epoch, 86400, 'ambiguous', 'which one?')"
        " FROM vsl.dispatch WHERE worker = 'w'",
    )
    return job


@pytest.mark.parametrize(
    ("options", "said", "status"),
    [
        (["--adopt", "p-{}"], "has its prediction and follows it.", "processing"),
        (["--absent"], "will be sent again.", "processing"),
        (["--give-up"], "is failed.", "failed"),
    ],
)
def test_a_decision(up: Up, unknown: str, options: list[str], said: str, status: str) -> None:
    shown = up.vsl("jobs", "show", unknown)
    assert "which one? (ambiguous)" in shown.out
    typed = [option.format(unknown) for option in options]
    asked = up.vsl("jobs", "resolve", unknown, *typed)
    assert (asked.status, asked.out) == (2, "")
    assert "--yes" in asked.err
    done = up.vsl("jobs", "resolve", unknown, *typed, "--yes")
    assert (done.status, done.out.strip()) == (0, f"{unknown} {said}")
    assert up.vsl.json("jobs", "show", unknown)["job"]["status"] == status
    again = up.vsl("jobs", "resolve", unknown, *typed, "--yes")
    assert again.status == 1
    assert "needs no decision" in again.err
    query = "SELECT act FROM vsl.audit_entries WHERE subject = '{}'"
    acts = psql(up, query.format(unknown))
    assert acts == "resolve job"


def test_as_json(up: Up, unknown: str) -> None:
    assert up.vsl.json("jobs", "resolve", unknown, "--give-up", "--yes") == {
        "job_id": unknown,
        "decision": "give-up",
        "result": "failed",
    }


@pytest.mark.parametrize("options", [[], ["--absent", "--give-up"], ["--adopt", "p", "--absent"]])
def test_one_decision_is_needed(up: Up, options: list[str]) -> None:
    done = up.vsl("jobs", "resolve", "job_x", *options, "--yes")
    assert done.status == 2
    assert "one of --adopt PREDICTION, --absent, --give-up" in done.err


def test_a_job_that_is_not_there(up: Up) -> None:
    done = up.vsl("jobs", "resolve", "job_x", "--absent", "--yes")
    assert done.status != 0
    assert "there is no job" in done.err


def test_without_a_token_it_says_what_is_missing(up: Up) -> None:
    done = up.vsl("generate", "flux-schnell", "--prompt", "a boat")
    assert done.status == 1
    assert "runs at replicate, which is not configured here" in done.err
    assert "Set REPLICATE_API_TOKEN" in done.err


async def test_the_token_makes_the_provider() -> None:
    without = load({})
    assert set(provider_names(without)) == set(make_providers(without)) == {"cog"}
    given = load({"REPLICATE_API_TOKEN": "r8_x", "VSL_REPLICATE_URL": "http://127.0.0.1:9/v1"})
    assert "r8_x" not in repr(given)
    made = make_providers(given)
    assert set(made) == provider_names(given) == {"cog", "replicate"}
    assert "127.0.0.1:9" in repr(made["replicate"])
    for provider in made.values():
        await provider.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REPLICATE_API_TOKEN", "two words"),
        ("REPLICATE_API_TOKEN", "r8_é"),
        ("VSL_REPLICATE_URL", "replicate.local/v1"),
        ("VSL_REPLICATE_URL", "ftp://a/v1"),
    ],
)
def test_bad_settings(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=name) as caught:
        load({name: value})
    assert value not in str(caught.value)
