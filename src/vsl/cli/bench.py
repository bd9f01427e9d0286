"""``vsl bench``: a database to measure on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, err, print_json, say
from vsl.cli.stopping import run
from vsl.config import load


def seed(
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=1_000_000_000, help="How many jobs to make.")
    ] = 100_000,
    users: Annotated[
        int, typer.Option("--users", min=1, max=100_000_000, help="Among how many users.")
    ] = 10_000,
    number: Annotated[
        int,
        typer.Option("--seed", min=0, max=2**31 - 1, help="The same seed makes the same jobs."),
    ] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Even among jobs of others.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fill a database with a made-up history of jobs, outputs and usage, to measure on.

    For a database of its own: while it runs, others' new jobs wait. An interrupted run goes on
    where it ended. One user, bench-user-heavy, has a twentieth of the jobs.
    """
    from vsl.ops.seed import History, seed

    url = addresses(load()).direct_url
    history = History(jobs=jobs, users=users, seed=number)
    begun = time.monotonic()
    columns = (TextColumn("made-up jobs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("", total=jobs)

        def told(done: int) -> None:
            progress.update(task, completed=done)

        made = run(seed(url, history, among_others=yes, told=told))
    took = time.monotonic() - begun
    if as_json:
        print_json({"made": made, "jobs": jobs, "seed": number, "seconds": round(took, 3)})
    elif made:
        say(f"{made:,} jobs with their outputs and usage in {took:.1f} s.")
        say("Heaviest user: bench-user-heavy. Look around with `vsl db sizes`.")
    else:
        say(f"All {jobs:,} jobs of seed {number} are there already.")


#: The verbs of ``vsl bench``.
VERBS: Mapping[str, Callable[..., Any]] = {"seed": seed}
