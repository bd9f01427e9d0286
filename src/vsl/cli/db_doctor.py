"""``vsl db doctor``: the health of the database."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, Listing, print_json, say, show_facts, visible
from vsl.cli.stopping import run
from vsl.config import load
from vsl.db.health import check_text, health_session
from vsl.domain.health import Measure
from vsl.errors import InvalidInput, Problem
from vsl.ops.doctor.catalogue import CHECKS
from vsl.ops.doctor.check import Check, Finding, Level, Result, exit_status, show
from vsl.ops.doctor.run import examine

HELP = (
    "How healthy the database is: each finding with its limit and the next command. "
    "The status is 1 for a warning or what cannot be told, 3 when a check fails."
)

_STYLES = {
    Level.ok: "green",
    Level.note: "cyan",
    Level.unknown: "magenta",
    Level.warn: "yellow",
    Level.fail: "bold red",
}
#: What the five answers are called for people.
_WORDS = {
    Level.fail: "fail",
    Level.warn: "warn",
    Level.unknown: "cannot tell",
    Level.note: "note",
    Level.ok: "ok",
}
_INDENT = "      "


def _beginning(incomplete: str) -> list[tuple[str, str]]:
    """What the shell offers after Tab."""
    return [(check.id, check.title) for check in CHECKS if check.id.startswith(incomplete)]


CheckId = Annotated[
    str,
    typer.Argument(
        metavar="CHECK", help="A check, as `list` names them.", autocompletion=_beginning
    ),
]
Chosen = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECKS",
        help="Only these checks; a comma list, or given repeatedly.",
        autocompletion=_beginning,
    ),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECKS",
        help="Not these checks; a comma list, or given repeatedly.",
        autocompletion=_beginning,
    ),
]


def doctor(
    context: typer.Context,
    only: Chosen = None,
    ignore: Ignored = None,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot/--no-snapshot", help="Keep the server's counters, for later comparisons."
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Ask the checks; see ``HELP``."""
    if context.invoked_subcommand is not None:
        return
    checks = _chosen(only or [], ignore or [])
    results, kept = run(_ask(checks, snapshot=snapshot))
    if as_json:
        print_json(_document(results, kept, wanted=snapshot))
    else:
        _report(results, kept)
    raise typer.Exit(exit_status(results))


async def _ask(checks: Sequence[Check], *, snapshot: bool) -> tuple[list[Result], Measure | None]:
    async with health_session(addresses(load()).url) as session:
        results = await examine(session, checks)
        return results, await session.take_snapshot() if snapshot else None


def list_(as_json: JsonOption = False) -> None:
    """All checks with their limits."""
    if as_json:
        print_json([_described(check) for check in CHECKS])
        return
    made = Listing(("check", "area", "warns", "fails", "title"), spare=("area", "title"))
    for check in CHECKS:
        limits = check.limits
        made.add(
            check.id,
            check.area,
            _limit(check, limits.warn),
            _limit(check, limits.fail),
            check.title,
        )
    made.show()
    say()
    say("More about one: vsl db doctor explain CHECK")


def explain(check_id: CheckId, as_json: JsonOption = False) -> None:
    """What one check measures, its limits, why it matters, the cure, and its SQL."""
    check = _named(check_id, "CHECK")
    text = check_text(check.name)
    if as_json:
        print_json({**_described(check), "sql": text})
        return
    facts: dict[str, str | Text] = {"check": check.id, "asks": check.title, "area": check.area}
    for level in ("note", "warn", "fail"):
        limit = getattr(check.limits, level)
        if limit is not None:
            facts[level] = _limit(check, limit)
    facts |= {"why": check.why, "next": check.next, "SQL": check.file}
    show_facts(facts)
    say()
    say(text.rstrip(), whole=True)


def _limit(check: Check, limit: float | None) -> str:
    if limit is None:
        return ""
    return f"{'below' if check.limits.falling else 'from'} {show(limit, check.unit)}"


def _chosen(only: Sequence[str], ignore: Sequence[str]) -> list[Check]:
    """The checks to ask. Raises ``InvalidInput`` for names that are none."""
    wanted = _several(only, "--only") or list(CHECKS)
    unwanted = _several(ignore, "--ignore")
    left = [check for check in CHECKS if check in wanted and check not in unwanted]
    if not left:
        raise InvalidInput([Problem("--ignore", "leaves no check to ask")])
    return left


def _several(given: Sequence[str], option: str) -> list[Check]:
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    if given and not names:
        raise InvalidInput([Problem(option, "names no check", "a comma list of checks")])
    return [_named(name, option) for name in names]


def _named(name: str, field: str) -> Check:
    """A check by its id. Raises ``InvalidInput`` naming the nearest."""
    ids = {check.id: check for check in CHECKS}
    found = ids.get(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, ids, n=1)
    hint = f"Did you mean {near[0]}?" if near else "See `vsl db doctor list`."
    raise InvalidInput([Problem(field, f"{name} is not a check")], hint=hint)


def _report(results: Sequence[Result], kept: Measure | None) -> None:
    """Worst first; then the quiet ones in a line, and the counts."""
    loud = [(result.check, f) for result in results for f in result.findings if f.level > Level.ok]
    # What is said of several checks alike, such as that a grant is missing, is said once.
    alike: dict[Any, list[tuple[Check, Finding]]] = {}
    for check, finding in sorted(loud, key=lambda pair: -pair[1].level):
        said = (finding.level, finding.value, finding.unknown, finding.evidence, finding.next)
        alike.setdefault(said, []).append((check, finding))
    for pairs in alike.values():
        _show(pairs)
    quiet = [result.check.id for result in results if result.level is Level.ok]
    if quiet:
        say(Text("ok", style=_STYLES[Level.ok]), ", ".join(quiet))
        say()
    if kept is not None:
        say(f"The server's counters were not kept: {kept.unknown}.", style="dim")
        if kept.next:
            say(Text("next:", style="bold"), kept.next, whole=True)
    say(_summary(results))


def _show(pairs: Sequence[tuple[Check, Finding]]) -> None:
    """A finding, or several checks' that say the same."""
    check, finding = pairs[0]
    names = ", ".join(dict.fromkeys(check.id for check, _ in pairs))
    about = [finding.subject] if len(pairs) == 1 else []
    if finding.value is not None:
        about.append(_measured(check, finding))
    word = Text(_WORDS[finding.level], style=_STYLES[finding.level])
    say(word, Text(names, style="bold"), *(f"· {part}" for part in about))
    for line in (finding.unknown, finding.evidence):
        if line:
            say(f"{_INDENT}{line}")
    if finding.next:
        say(Text(f"{_INDENT}next: ", style="bold") + Text(visible(finding.next)), whole=True)
    say()


def _measured(check: Check, finding: Finding) -> str:
    """The value against the limit that it reached."""
    value = show(finding.value or 0.0, check.unit)
    if finding.limit is None:
        return value
    where = "below" if check.limits.falling else "from"
    return f"{value} ({finding.level.name} {where} {show(finding.limit, check.unit)})"


def _summary(results: Sequence[Result]) -> str:
    counts = _counts(results)
    parts = [f"{counts[level.name]} {word}" for level, word in _WORDS.items() if counts[level.name]]
    took = sum(result.seconds for result in results)
    many = "1 check" if len(results) == 1 else f"{len(results)} checks"
    return f"{many} in {took:.1f} s: {', '.join(parts)}."


def _counts(results: Sequence[Result]) -> dict[str, int]:
    levels = [result.level for result in results]
    return {level.name: levels.count(level) for level in _WORDS}


def _document(results: Sequence[Result], kept: Measure | None, *, wanted: bool) -> dict[str, Any]:
    worst = max(result.level for result in results)
    return {
        "level": worst.name,
        "status": exit_status(results),
        "counts": _counts(results),
        "seconds": round(sum(result.seconds for result in results), 3),
        "snapshot": {
            "kept": wanted and kept is None,
            "because": None if kept is None else kept.unknown,
            "next": None if kept is None else kept.next,
        },
        "checks": [
            {
                **_described(result.check),
                "level": result.level.name,
                "seconds": round(result.seconds, 4),
                "findings": [_finding(finding) for finding in result.findings],
            }
            for result in results
        ],
    }


def _described(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "area": check.area,
        "unit": check.unit,
        "limits": check.limits,
        "why": check.why,
        "next": check.next,
        "file": check.file,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "level": finding.level.name,
        "value": finding.value,
        "limit": finding.limit,
        "evidence": finding.evidence,
        "next": finding.next,
        "unknown": finding.unknown,
    }


#: What ``vsl db doctor`` does by itself, and the verbs below it.
DEFAULT: Callable[..., Any] = doctor
BELOW: Mapping[str, Callable[..., Any]] = {"list": list_, "explain": explain}
