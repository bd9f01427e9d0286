"""``vsl db tune``: what the server's settings should be, and what speaks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, Listing, print_json, say
from vsl.cli.stopping import run
from vsl.config import Config, load
from vsl.db.statements_care import Host
from vsl.errors import InvalidInput, Problem
from vsl.ops.tune.advice import Advice
from vsl.ops.tune.machine import (
    STORAGES,
    WORKLOADS,
    Machine,
    Storage,
    Workload,
    check,
    rds_machine,
    this_machine,
)
from vsl.ops.tune.report import Report, parameter_group_calls, statements, tune
from vsl.ops.tune.units import about, read_memory

_STYLES = {"change": "yellow", "consider": "cyan", "cannot tell": "magenta", "fine": "green"}
_LEVELS = ("change", "consider", "cannot tell", "fine")


def tune_(
    ram: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory that PostgreSQL can count on, such as 8GB.",
            show_default="this machine's, when the server is on it",
        ),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            help="Processors.",
            show_default="this machine's, when the server is on it",
        ),
    ] = None,
    rds_class: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Class of an RDS instance, such as db.m6g.large."),
    ] = None,
    storage: Annotated[
        str, typer.Option(metavar="KIND", help=f"What the disk is: {', '.join(STORAGES)}.")
    ] = "ssd",
    connections: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="COUNT", help="Sessions that are wanted.", show_default="by workload"
        ),
    ] = None,
    workload: Annotated[
        str,
        typer.Option(metavar="KIND", help=f"What the server does: {', '.join(WORKLOADS)}."),
    ] = "mixed",
    sql: Annotated[
        bool, typer.Option("--sql", help="Print only the statements that change settings.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What the server's settings should be, beside what they are, and what speaks for a change.

    Nothing is changed. vsl_monitor is enough to see all.
    """
    _check_words(storage, workload)
    if rds_class is not None and (ram is not None or cpus is not None):
        problem = Problem("--rds-class", "says what --ram and --cpus say", "one or the other")
        raise InvalidInput([problem])
    config = load()
    given = _given(ram, cpus, rds_class)

    def machine_of(host: Host, pooled: bool) -> Machine:
        memory, processors, origin = _sizes(given, config, host, pooled=pooled)
        kind, work = cast(Storage, storage), cast(Workload, workload)  # checked above
        return check(Machine(memory, processors, kind, work, connections, origin))

    report = run(tune(addresses(config).url, machine_of, on_rds=rds_class is not None))
    if as_json:
        print_json(_document(report))
    elif sql:
        _show_sql(report)
    else:
        _show(report)


_Given = tuple[int | None, int | None, str]


def _given(ram: str | None, cpus: int | None, rds_class: str | None) -> _Given:
    if rds_class is not None:
        processors, memory = rds_machine(rds_class)
        return memory, processors, f"class {rds_class}"
    return (read_memory("--ram", ram) if ram is not None else None), cpus, "options"


def _sizes(given: _Given, config: Config, host: Host, *, pooled: bool) -> tuple[int, int, str]:
    memory, processors, origin = given
    if memory is not None and processors is not None:
        return memory, processors, origin
    # The embedded server is here; another one is when it is reached over a socket. What a pooler
    # reaches over one may be anywhere.
    here = config.database_url is None or (host.is_local and not pooled)
    if not here or host.is_rds:
        missing = "--rds-class" if host.is_rds else "--ram" if memory is None else "--cpus"
        reason = "the server is not on this machine, whose size is therefore not its"
        accepted = "--ram and --cpus of the server, or --rds-class"
        raise InvalidInput([Problem(missing, reason, accepted)])
    found_memory, found_processors, found_origin = this_machine()
    origin = found_origin if memory is None and processors is None else f"{found_origin}, options"
    return memory or found_memory, processors or found_processors, origin


def _check_words(storage: str, workload: str) -> None:
    problems = []
    for name, value, known in (
        ("--storage", storage, STORAGES),
        ("--workload", workload, WORKLOADS),
    ):
        if value not in known:
            problems.append(Problem(name, "is not known", "one of " + ", ".join(known)))
    if problems:
        raise InvalidInput(problems)


def _show(report: Report) -> None:
    machine, host = report.machine, report.host
    where = "Aurora" if host.is_aurora else "RDS" if host.is_rds else "PostgreSQL"
    say(
        f"{where} {host.version}, {about(machine.ram)} of memory and {machine.cpus} processors "
        f"({machine.origin}), {machine.storage}, workload {machine.workload}"
    )
    made = Listing(
        ("setting", "live", "recommended", "level", "restart", "from"),
        ("live", "recommended"),
        spare=("from", "restart"),
        title="Settings",
    )
    for advice in sorted(report.advice, key=lambda a: _LEVELS.index(a.level)):
        made.add(
            advice.name,
            advice.live if advice.live is not None else "hidden",
            advice.recommended,
            Text(advice.level, style=_STYLES[advice.level]),
            "yes" if advice.restart and advice.level != "fine" else "",
            advice.source or "–",
        )
    made.show()
    for level in ("change", "consider", "cannot tell"):
        _explain(level, report.of(level))
    for advice in report.of("fine"):
        for remark in (*advice.overrides, *([advice.remark] if advice.remark else [])):
            say(f"{advice.name}: {remark}")
    _show_lines(report)


def _explain(level: str, found: list[Advice]) -> None:
    if not found:
        return
    say()
    say(f"Why {level}", style="bold")
    for advice in found:
        say(f"{advice.name}: {advice.why} ({advice.basis}).")
        for line in (advice.evidence, advice.seed, advice.remark):
            if line:
                say(f"  {line[:1].upper()}{line[1:]}")
        for override in advice.overrides:
            say(f"  {override}")


def _show_lines(report: Report) -> None:
    lines = statements(report)
    say()
    if not report.of("change", "consider"):
        say("Nothing to change.", style="green")
        return
    for line in lines:
        say(line, whole=True)
    if report.host.is_rds:
        say(
            "RDS takes settings from a parameter group of your own, not from ALTER SYSTEM; the "
            "default group cannot be changed."
        )
        for words, level in (("To change:", "change"), ("To consider:", "consider")):
            calls = parameter_group_calls(report, level)
            if calls:
                say(words)
            for call in calls:
                say(call, whole=True)
    elif not report.host.is_superuser and any("ALTER SYSTEM" in line for line in lines):
        say("ALTER SYSTEM takes a superuser, or from 15 on a role that was granted the setting.")


def _show_sql(report: Report) -> None:
    for line in statements(report):
        say(line, whole=True)
    for call in parameter_group_calls(report, "change"):
        say(f"-- {call}", whole=True)


def _document(report: Report) -> dict[str, Any]:
    return {
        "server": {
            "version": report.host.version,
            "rds": report.host.is_rds,
            "aurora": report.host.is_aurora,
        },
        "machine": report.machine,
        "evidence": report.evidence,
        "settings": [_advice(advice) for advice in report.advice],
        "statements": statements(report),
        "parameter_group_calls": parameter_group_calls(report, "change"),
    }


def _advice(advice: Advice) -> dict[str, Any]:
    name, value, _ = advice.parameter or (None, None, None)
    return {
        "name": advice.name,
        "level": advice.level,
        "live": advice.live,
        "recommended": advice.recommended,
        "restart": advice.restart,
        "pending_restart": advice.pending,
        "source": advice.source,
        "file": advice.file,
        "overrides": advice.overrides,
        "evidence": advice.evidence,
        "why": advice.why,
        "basis": advice.basis,
        "seed": advice.seed,
        "remark": advice.remark,
        "statement": advice.statement,
        "parameter": {"name": name, "value": value} if name else None,
    }


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {"tune": tune_}
