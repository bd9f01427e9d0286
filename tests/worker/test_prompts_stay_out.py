"""What a worker's log says, and that no prompt is in it, whatever goes wrong.

Every test of the worker has a word in its prompts that is looked for afterwards, in all log lines
and all error columns (``Lab.check``). Here are those that try hard to get it there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from tests.worker import media
from tests.worker.kit import CANARY, ON_18, PROMPT, Hold, Lab

from vsl.domain.hiding import HIDDEN
from vsl.domain.provider import OutputSource
from vsl.errors import ProviderError
from vsl.testing import Fail, FakeProvider, Hang, Refuse, Step, Succeed

IMAGE = Succeed((media.image(),))


@ON_18
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Fail(f"cannot draw {PROMPT}!"), f"cannot draw {HIDDEN}!"),
        (Fail(f"too odd: {PROMPT[9:-8]}"), f"too odd: {HIDDEN}"),
        (Refuse(ProviderError(f"400: {json.dumps(PROMPT)}")), f'400: "{HIDDEN}"'),
        (Fail(f"bad voice: a {CANARY} voice"), f"bad voice: {HIDDEN}"),
    ],
    ids=["whole", "part", "raised", "parameter"],
)
async def test_a_provider_that_repeats_the_input(lab: Lab, step: Step, words: str) -> None:
    parameters = {"voice": {"name": f"a {CANARY} voice"}}
    async with lab.worker(FakeProvider(step)):
        job = lab.submit(parameters=parameters)
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_message"] == words
    assert lab.attempts(job)[0]["error_message"] == words


class Blunt(FakeProvider):
    """Puts the prompt into errors of every kind."""

    async def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        yield source.url[:1].encode()
        raise ValueError(self.requests[0].input["prompt"])


class Foul(FakeProvider):
    async def fetch(self, source: OutputSource) -> AsyncIterator[bytes]:
        yield source.url[:1].encode()
        raise OSError(5, self.requests[0].input["prompt"])


@ON_18
@pytest.mark.parametrize("provider", [Blunt(otherwise=IMAGE), Foul(otherwise=IMAGE)])
async def test_errors_while_fetching(lab: Lab, provider: FakeProvider) -> None:
    provider.requests.clear()
    async with lab.worker(provider):
        job = lab.submit()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        lab.cancel(job)


@ON_18
@pytest.mark.parametrize(
    "content",
    [PROMPT.encode(), b"<svg>" + PROMPT.encode(), media.image() + PROMPT.encode()],
    ids=["text", "drawing", "trailing"],
)
async def test_outputs_that_hold_the_prompt(lab: Lab, content: bytes) -> None:
    async with lab.worker(FakeProvider(otherwise=Succeed((content,)))):
        job = lab.submit()
        await lab.until("status IN ('failed', 'completed') FROM jobs WHERE id = %s", job)


@ON_18
async def test_a_prompt_that_no_schema_accepts(lab: Lab) -> None:
    words = {"prompt": {"type": "string", "pattern": "^[0-9]+$", "maxLength": 3}}
    lab.add_model("numbers", supported_parameters={"type": "object", "properties": words})
    async with lab.worker(FakeProvider()):
        job = lab.submit("numbers")
        await lab.ended(job, as_="failed")
    assert lab.job(job)["error_message"].startswith("prompt: ")


@ON_18
async def test_what_is_written_down_of_a_job_does_not_show_it(lab: Lab) -> None:
    hang = Hang(then=IMAGE)
    provider = FakeProvider(hang)
    async with lab.worker(provider) as running:
        job = lab.submit()
        await hang.started.wait()
        (held,) = running.worker._running.values()
        shown = [repr(held), repr(held.execution), repr(held.execution.job), repr(held.task)]
        shown += [repr(provider.requests[0]), repr(running.worker)]
        hang.released.set()
        await lab.ended(job)
    assert not [text for text in shown if CANARY in text]


@ON_18
async def test_log_lines_are_json_with_the_job_s_name(lab: Lab) -> None:
    hold = Hold("begun")
    async with lab.worker(FakeProvider(Fail("busy", retryable=True), otherwise=IMAGE), steps=hold):
        job = lab.submit()
        await hold.held.wait()
        hold.go.set()
        await lab.until("retry_count = 1 FROM jobs WHERE id = %s", job)
        lab.make_due()
        await lab.ended(job)
    lines = [json.loads(line) for line in lab.lines.json]
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    name = lab.job(job)["job_id"]
    first, second = (attempt["epoch"] for attempt in lab.attempts(job))
    about = {"job": name, "model": "painter"}
    said = [
        {key: line[key] for key in line if key not in ("time", "logger")}
        for line in lines
        if line.get("job") == name
    ]
    failed = {"code": "prediction_failed", "outcome": "retried"}
    assert said == [
        {"level": "warning", "message": "an attempt failed", **about, "epoch": first, **failed},
        {"level": "info", "message": "job retried", **about, "epoch": first},
        {"level": "info", "message": "job completed", **about, "epoch": second},
    ]
    assert f"job completed  job={name}  model=painter  epoch={second}" in lab.lines.text[-2]
