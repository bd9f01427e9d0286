"""``vsl storage``: what is in the store, and whether the database agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import typer

from vsl.cli.asking import DryRunOption, YesOption, agreed
from vsl.cli.assembly import connected
from vsl.cli.follow import no_job
from vsl.cli.jobs import JobId
from vsl.cli.output import JsonOption, Listing, moment, place, print_json, say, size
from vsl.cli.remarks import NONE, LimitOption, left_out
from vsl.cli.stopping import run
from vsl.cli.working import steps
from vsl.config import load
from vsl.db.statement import fetch, fetch_one
from vsl.db.statements import GetJob, ListOutputs
from vsl.domain.jobs import JobDetail, Output
from vsl.domain.store import Store
from vsl.errors import InvalidInput, NotFound, Problem, StoreError
from vsl.ops.durations import read_duration
from vsl.ops.storage_check import KINDS, LEFT_ALONE, Comparison, Difference, Mended, compare, mend

#: Seconds: the longest that a link to S3 can hold.
LONGEST_LINK = 7 * 24 * 60 * 60

_SAID = {
    "missing": "{} whose file is missing.",
    "damaged": "{} whose file has another size than recorded.",
    "stray": "{} that nothing refers to.",
    "back": "{} marked as missing or damaged whose file is whole.",
}
_LEFT = {
    "young": "younger than {}: a worker may be about to write their rows",
    "live": "of jobs that are under way",
    "doomed": "to be removed by a worker already",
    "later": "of claims that this database has never made, as after a restore of it",
    "foreign": "outside of VSL's folders",
}


def check(
    mend_: Annotated[
        bool,
        typer.Option(
            "--mend", help="Mark rows without a whole file; hand stray objects to removal."
        ),
    ] = False,
    older_than: Annotated[
        str,
        typer.Option(metavar="TIME", help="Leave objects alone that are younger."),
    ] = "1h",
    limit: LimitOption = 100,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare every output with its file, and every file with its output.

    Lists the whole store and all rows; each difference is looked at twice. --mend removes nothing
    itself: stray objects are handed to the workers, and outputs whose files are gone keep their
    rows, with the time in their metadata (missing_since or damaged_since). The status is 1 when
    there are differences.
    """
    age = read_duration("--older-than", older_than)
    store = _store()
    with Comparison() as comparison:
        with steps() as tell:
            run(_compare(store, comparison, age, tell))
        differs = bool(comparison.counts.total())
        if not as_json:
            _show(store, comparison, limit, older_than)
        mended: Mended | None = None
        if mend_ and not dry_run:
            if differs and not agreed(_question(comparison), yes=yes):
                say("Nothing was changed.")
                raise typer.Exit(1)
            with steps(lines=not as_json) as tell:
                mended = run(_mend(store, comparison, tell))
        if as_json:
            print_json(_document(store, comparison, limit, mended))
        elif mended is not None:
            _show_mended(mended)
        elif differs:
            _say_next(comparison, wanted=mend_)
    raise typer.Exit(1 if differs else 0)


async def _compare(
    store: Store, comparison: Comparison, age: float, tell: Callable[[str], None]
) -> None:
    async with connected() as connection:
        await compare(connection, store, comparison, older_than=age, tell=tell)


async def _mend(store: Store, comparison: Comparison, tell: Callable[[str], None]) -> Mended:
    async with connected() as connection:
        return await mend(connection, store, comparison, tell=tell)


def _store() -> Store:
    from vsl.storage.location import open_store

    return open_store(load().storage)


def _address(store: Store) -> str:
    """The store's own address: of a folder, its path."""
    return place(store.url("x").removesuffix("/x"))


def _question(comparison: Comparison) -> str:
    counts = comparison.counts
    marks = counts["missing"] + counts["damaged"] + counts["back"]
    parts = [f"change the marks of {_many(marks, 'output')}"] if marks else []
    if counts["stray"]:
        parts.append(f"have {_many(counts['stray'], 'object')} removed")
    return f"{' and '.join(parts).capitalize()}?"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _show(store: Store, comparison: Comparison, limit: int, older_than: str) -> None:
    say(
        f"{_address(store)}: {_many(comparison.objects, 'object')}, {size(comparison.size)}; "
        f"{_many(comparison.outputs, 'output')} in the database."
    )
    made = Listing(("what", "job", "output", "recorded", "found", "since", "key"), spare=("since",))
    for found in islice(comparison.differences(), limit):
        made.add(*_cells(found))
    total = comparison.counts.total()
    if total:
        made.show()
        left_out(min(limit, total), total)
    for kind in KINDS:
        if comparison.counts[kind]:
            noun = "object" if kind == "stray" else "output"
            say(_SAID[kind].format(_many(comparison.counts[kind], noun)))
    for word in LEFT_ALONE:
        if comparison.left_alone[word]:
            many = _many(comparison.left_alone[word], "object")
            say(f"Left alone: {many} {_LEFT[word].format(older_than)}.", style="dim")
    for bucket, count in sorted(comparison.elsewhere.items()):
        name = bucket or "no store"
        say(f"Not looked at: {_many(count, 'output')} in {name}.", style="dim")
    if not total:
        say("They agree.")


def _cells(found: Difference) -> tuple[str, ...]:
    since = None if found.since is None else datetime.fromisoformat(found.since)
    return (
        found.kind,
        found.job_id or NONE,
        NONE if found.ordinal is None else str(found.ordinal),
        size(found.recorded),
        size(found.found),
        moment(since),
        found.key,
    )


def _say_next(comparison: Comparison, *, wanted: bool) -> None:
    if wanted:
        say("Nothing was changed (--dry-run).")
        return
    say("next: `vsl storage check --mend` marks these outputs and has stray objects removed.")
    if comparison.counts["missing"] or comparison.counts["damaged"]:
        say("Bring files back from a copy of the store first, if there is one.")


def _show_mended(mended: Mended) -> None:
    if mended.marked:
        say(f"Marked {_many(mended.marked, 'output')} in their metadata; nothing was removed.")
    if mended.unmarked:
        say(f"Took the marks of {_many(mended.unmarked, 'output')} away.")
    if mended.doomed:
        say(f"Handed {_many(mended.doomed, 'object')} to removal: a worker does it in a minute.")
    if mended.swept:
        say(f"Removed {_many(mended.swept, 'leftover')} of writers that died.")


def _document(
    store: Store, comparison: Comparison, limit: int, mended: Mended | None
) -> dict[str, Any]:
    return {
        "store": store.url("x").removesuffix("/x"),
        "objects": comparison.objects,
        "bytes": comparison.size,
        "outputs": comparison.outputs,
        "matched": comparison.matched,
        "counts": {kind: comparison.counts[kind] for kind in KINDS},
        "differences": list(islice(comparison.differences(), limit)),
        "left_alone": {word: comparison.left_alone[word] for word in LEFT_ALONE},
        "elsewhere": dict(comparison.elsewhere),
        "mended": mended,
    }


@dataclass(frozen=True, slots=True)
class Link:
    """An output's address. expires_at: None when it does not end."""

    ordinal: int | None
    file_type: str | None
    url: str
    expires_at: datetime | None


def link(
    job_id: JobId,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="How long a link to S3 holds, at most 7d.")
    ] = "15m",
    as_json: JsonOption = False,
) -> None:
    """Print an address of each file of a job, one a line, that a browser can open.

    At S3 whoever has the link can read the file, without credentials, until it expires. In a folder
    it is the file's path. Needs a login that may read outputs, such as vsl_reader.
    """
    held = int(read_duration("--expires", expires))
    if not 0 < held <= LONGEST_LINK:
        raise InvalidInput([Problem("--expires", "is not from 1s to 7d", "such as 15m or 1h")])
    job, outputs = run(_outputs(job_id))
    if not outputs:
        raise NotFound(
            f"job {job.job_id} has no files in the store: it is {job.status}",
            hint=f"See `vsl jobs show {job.job_id}`.",
        )
    links = run(_links(_store(), outputs, held))
    if as_json:
        print_json(links)
        return
    for one in links:
        say(place(one.url), whole=True)


async def _outputs(job_id: str) -> tuple[JobDetail, list[Output]]:
    async with connected() as connection:
        job = await fetch_one(connection, GetJob(job_id=job_id))
        if job is None:
            raise no_job(job_id)
        found = await fetch(connection, ListOutputs(job_id=job_id))
        return job, [output for output in found if output.s3_key is not None]


async def _links(store: Store, outputs: list[Output], held: int) -> list[Link]:
    links = []
    for output in outputs:
        key = str(output.s3_key)
        if output.s3_bucket != store.bucket:
            raise StoreError(
                f"{key} is in the store {output.s3_bucket}, and VSL_STORAGE names {store.bucket}",
                hint="Set VSL_STORAGE to where the file is.",
                retryable=False,
            )
        if await store.stat(key) is None:
            raise StoreError(
                f"{_address(store)}: cannot link to {key}: it is not there",
                hint="See `vsl storage check`.",
                retryable=False,
            )
        until = datetime.now(UTC) + timedelta(seconds=held)
        url = await store.sign(key, expires_in=held)
        lasts = url == store.url(key)
        links.append(Link(output.ordinal, output.file_type, url, None if lasts else until))
    return links


#: The verbs of ``vsl storage``, by name.
VERBS: Mapping[str, Callable[..., Any]] = {"check": check, "link": link}
