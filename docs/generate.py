"""Writes the reference pages from the program and the SQL files themselves.

``python docs/generate.py`` writes ``docs/reference/``; with ``--check`` it only says which pages
are out of date, and its status is then 1.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sql_files
import typer

from vsl import config, errors
from vsl.cli.commands import make_app
from vsl.db.files import migrations
from vsl.models.catalogue import SHIPPED
from vsl.ops.doctor.catalogue import CHECKS
from vsl.ops.doctor.check import Check, show

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Written by `python docs/generate.py` from the sources that it names: change those. -->"

#: Codes in jobs.error_code that are no codes of vsl.errors: who gives them, and what they mean.
JOB_CODES = {
    "prediction_failed": "The model ended with an error; `error_message` has its words.",
    "prediction_canceled": "The provider stopped the prediction, and nobody had asked for it.",
    "timeout": "The attempt took longer than the model's `timeout_seconds`.",
    "outcome_unknown": "The worker was lost, and the provider cannot be asked twice without harm.",
    "provider_not_configured": "The worker that took the job has no such provider.",
    "absent": "The provider's answer was lost, and its list shows that no prediction was made.",
    "prediction_taken": "The prediction that was found belongs to another job's attempt.",
    "worker_lost": "The job lost its worker six times in the middle of an attempt.",
    "internal_error": "Something that VSL did not foresee; the message names its kind.",
}

#: VSL's own SQLSTATEs.
SQLSTATES = {
    "VS001": "A value that VSL keeps itself was to be changed by hand.",
    "VS002": "A move of a job's status that is not allowed.",
    "VS003": "Something that live jobs or stored files still need was to be removed.",
    "VS004": "There is no such job.",
}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or " "


def code(text: str) -> str:
    """Text as code, or nothing."""
    return f"`{text}`" if text else ""


def commands() -> str:
    """The command line."""
    parts = [
        "# Commands",
        "Source: `src/vsl/cli/`. Every command also takes `--help`.",
        "Exit status: 0 good; 1 failure (`vsl db doctor`: a warning, or something that cannot be "
        "told); 2 wrong usage or bad input; 3 a check of `vsl db doctor` fails; 128 and the "
        "signal's number when a signal stopped it (130 for Ctrl-C).",
        "With `--json`, results go to standard output as one JSON document and errors to standard "
        'error as `{"error": {"code", "message", "hint"}}`. Amounts are strings, so that they stay '
        "exact; times are ISO 8601 in UTC.",
        *_commands(typer.main.get_command(make_app()), "vsl"),
    ]
    return "\n\n".join(parts)


def _commands(command: Any, path: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children:
        if path != "vsl":
            yield f"{'##' if path.count(' ') == 1 else '###'} {path}\n\n{command.help}"
            yield from _own_options(command, path)
        for name, child in children.items():
            if not child.hidden:
                yield from _commands(child, f"{path} {name}")
        return
    yield f"{'##' if path.count(' ') == 1 else '###'} {path}\n\n{inspect.cleandoc(command.help)}"
    yield from _arguments(command, path)


def _own_options(group: Any, path: str) -> Iterator[str]:
    """What a group takes that does something when none of its commands is named."""
    if group.invoke_without_command:
        yield from _arguments(group, path)


def _arguments(command: Any, path: str) -> Iterator[str]:
    shown = [p for p in command.params if not getattr(p, "hidden", False)]
    yield f"```text\n{' '.join([path, *(_usage(p) for p in shown)])}\n```"
    if shown:
        rows = [[code(_names(p)), p.help or "", _default(p)] for p in shown]
        yield table(["argument or option", "meaning", "default"], rows)


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _usage(parameter: Any) -> str:
    if _is_argument(parameter):
        name: str = parameter.metavar or parameter.name.upper()
        return name if parameter.required or name.startswith("[") else f"[{name}]"
    flag = "" if parameter.is_flag else " …"
    text = f"{_names(parameter)}{flag}"
    return text if parameter.required else f"[{text}]"


def _names(parameter: Any) -> str:
    if _is_argument(parameter):
        return str(parameter.metavar or parameter.name.upper())
    return "/".join([*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if _is_argument(parameter) or not parameter.is_flag:
        return "" if parameter.default is None else code(str(parameter.default))
    names = parameter.opts if parameter.default else parameter.secondary_opts
    return code(names[0]) if parameter.secondary_opts else ""


def settings() -> str:
    """The environment variables."""
    rows = [[code(name), meaning] for name, meaning in config.VARIABLES.items()]
    return "\n\n".join(
        [
            "# Settings",
            "Source: `src/vsl/config.py`. All settings are environment variables, read once when a "
            "command starts; an empty one counts as unset. A misspelt name that begins with `VSL_` "
            "is refused, and the one that was meant is named.",
            table(["variable", "meaning"], rows),
            "Unset, `VSL_HOME` is the user's data folder (`~/.local/share/vsl` on Linux), and "
            "`/var/lib/vsl` for root.",
        ]
    )


def tables() -> str:
    """Tables and views."""
    found = sql_files.tables()
    views = [f"- `{name}`: {about}" for name, about in sql_files.views()]
    versions = [[m.version, m.description] for m in migrations()]
    parts = [
        "# Tables and views",
        "Source: `database/tables/` and `database/views/`. Schema `public` is the contract: its "
        "names, columns and meanings stay. Schema `vsl` is the machinery: read it as you like, "
        "change it through its [functions](functions.md) only.",
        "## Versions of the schema",
        table(["version", "description"], versions),
        "## Views",
        "\n".join(views),
    ]
    for item in found:
        parts += [f"## {item.name}", item.about, *_table(item)]
    return "\n\n".join(parts)


def _table(item: sql_files.Table) -> Iterator[str]:
    rows = [[code(c.name), c.type, code(c.rule), c.about] for c in item.columns]
    yield table(["column", "type", "rule", "meaning"], rows)
    if item.indexes:
        rows = [
            [code(i.name), code(i.on.split(" ", 1)[1]), "unique" if i.unique else "", i.about]
            for i in item.indexes
        ]
        yield table(["index", "on", "", "serves"], rows)
    if item.constraints:
        rows = [[code(name), code(rule)] for name, rule in sorted(item.constraints.items())]
        yield table(["constraint", "rule"], rows)


def functions() -> str:
    """Functions and triggers."""
    found = sql_files.functions()
    callers = {
        f.name: [role for role, _, objects in sql_files.grants() if f"vsl.{f.name}(" in objects]
        for f in found
    }
    shown = [function for function in found if not function.is_trigger]
    groups = {
        "For applications": [f for f in shown if "vsl_app" in callers[f.name]],
        "For workers": [f for f in shown if "vsl_worker" in callers[f.name]],
    }
    # The triggers run with the writer's rights, so he must be allowed to call what they call.
    inner = [f for f in groups["For applications"] if f.name.startswith(("check_", "by_"))]
    groups["For applications"] = [f for f in groups["For applications"] if f not in inner]
    grouped = [f for group in groups.values() for f in group]
    groups["Inside"] = [f for f in shown if f not in grouped]
    parts = [
        "# Functions",
        "Source: `database/functions/`, one file for each. They are the only way to change the "
        "state of driven jobs. No name is overloaded, so `SELECT vsl.cancel_job('…')` needs no "
        "casts. The owner of the schema may call all of them, and roles as the headings say.",
    ]
    for heading, group in groups.items():
        parts.append(f"## {heading}")
        for function in group:
            parts += [
                f"### vsl.{function.name}",
                f"```text\n{_signature(function.signature)}\n```",
                _prose(function.about),
            ]
    rows = [
        [code(f"vsl.{f.name}"), "; ".join(dict.fromkeys(f.triggers)), _prose(f.about)]
        for f in found
        if f.is_trigger
    ]
    parts += ["## Triggers", table(["function", "fires", "meaning"], rows)]
    return "\n\n".join(parts)


def _prose(comment: str) -> str:
    """A comment as a paragraph, or as it stands when it is a list."""
    return f"```text\n{comment}\n```" if "\n  " in comment else " ".join(comment.split())


def _signature(signature: str) -> str:
    """A long signature on several lines."""
    if len(signature) <= 90:
        return signature
    return signature.replace("(", "(\n    ").replace(", ", ",\n    ").replace(")", "\n)")


def roles() -> str:
    """Roles and grants."""
    parts = [
        "# Roles",
        "Source: `database/roles.sql`. Seven roles without login; grant them to the logins of "
        "people and services.",
        table(["role", "what it is for"], [[code(r), about] for r, about in sql_files.roles()]),
        "## Grants",
        table(
            ["role", "may", "on"],
            [[code(role), rights, what] for role, rights, what in sql_files.grants()],
        ),
        "What a role may not do, it may do through functions that run with their owner's rights: "
        "`vsl_worker`, for instance, has no right on `jobs` at all.",
    ]
    return "\n\n".join(parts)


def error_codes() -> str:
    """Errors of the program, of jobs, and of the database."""
    program = [
        [code(kind.code), kind.__name__, _first_line(kind.__doc__), _status(kind)]
        for kind in _tree(errors.VslError)
    ]
    refusals = sql_files.refusals()
    states = [
        [code(state), meaning, "; ".join(r.message for r in refusals if r.code == state)]
        for state, meaning in SQLSTATES.items()
    ]
    named = {(r.constraint, r.code, r.message): r for r in refusals if r.constraint is not None}
    known = {name for name, _, _ in named}
    silent = [
        [code(name), "check_violation", code(rule)]
        for item in sql_files.tables()
        for name, rule in sorted(item.constraints.items())
        if name not in known and rule.startswith("CHECK")
    ]
    parts = [
        "# Errors",
        "## Of the program",
        "Source: `src/vsl/errors.py`. The code is stable; the message is for people and may "
        'change. With `--json` it is `"code"` on standard error.',
        table(["code", "class", "meaning", "exit status"], program),
        "Beside these, `--json` may say `usage` (the command line cannot be read; status 2), "
        "`interrupted`, `system_error` and `internal_error` (status 1).",
        "## Of a job",
        "`jobs.error_code` and `error_code` of an attempt hold one of the codes above or one of "
        "these.",
        table(["code", "meaning"], [[code(name), words] for name, words in JOB_CODES.items()]),
        "## SQLSTATEs of the database",
        "Source: `database/functions/`. `…` stands for a value.",
        table(["SQLSTATE", "meaning", "messages"], states),
        "## Named constraints",
        "What is wrong with a row is said by one of these. The functions check first, in plain "
        "words and without printing the row.",
        table(
            ["constraint", "error", "message"],
            [[code(str(n)), e, m] for n, e, m in sorted(named, key=lambda k: str(k[0]))],
        ),
        "The rest speak for themselves:",
        table(["constraint", "error", "rule"], silent),
    ]
    return "\n\n".join(parts)


def _tree(kind: type[errors.VslError]) -> Iterator[type[errors.VslError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


def _status(kind: type[errors.VslError]) -> str:
    return "2" if issubclass(kind, (errors.InvalidInput, errors.NotFound)) else "1"


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("``", "`")


def checks() -> str:
    """The checks of the database's health."""
    parts = [
        "# Checks of the database's health",
        "Source: `src/vsl/ops/doctor/` and `database/queries/doctor/`. `vsl db doctor` asks all of "
        "them, `vsl db doctor explain CHECK` shows one with its SQL, and "
        "[Check the health](../how-to/check-the-health.md) tells how to read the answers.",
        "A measure reaches a limit when it is equal or greater; *below* a limit where smaller is "
        "worse. Where a check has no limits, several measures count, and its SQL decides.",
    ]
    about = {query.name: query.about for query in sql_files.queries("queries/doctor")}
    for area in dict.fromkeys(check.area for check in CHECKS):
        parts.append(f"## {area.capitalize()}")
        for check in CHECKS:
            if check.area == area:
                parts += _check(check, about[check.name])
    return "\n\n".join(parts)


def _check(check: Check, about: str) -> Iterator[str]:
    limits = check.limits
    where = "below" if limits.falling else "from"
    steps = [("note", limits.note), ("warns", limits.warn), ("fails", limits.fail)]
    reached = [f"{name} {where} {show(at, check.unit)}" for name, at in steps if at is not None]
    yield f"### {check.id}"
    yield f"{check.title}. {check.why}"
    yield "\n".join(
        [
            f"- measures: {' '.join(about.split())}",
            f"- limits: {', '.join(reached) or 'its SQL decides'}",
            f"- next: {check.next}",
        ]
    )


def queries() -> str:
    """The named statements."""
    parts = [
        "# Statements",
        "Source: `database/queries/`. Every SQL text of the program is in a file of its own; "
        "`%(name)s` in it is a parameter.",
        "## For people",
        "Run one with `vsl db psql -f database/queries/handbook/NAME.sql`.",
        table(
            ["statement", "what it answers"],
            [[code(q.name), q.about] for q in sql_files.queries("queries/handbook")],
        ),
        "## Of the program",
        table(
            ["statement", "purpose", "parameters"],
            [
                [code(q.name), q.about, ", ".join(q.parameters)]
                for q in sql_files.queries("queries")
            ],
        ),
    ]
    return "\n\n".join(parts)


def models() -> str:
    """The registry as it is shipped."""
    parts = [
        "# Models",
        "Source: `src/vsl/models/` and `database/registry.sql`. `vsl models list` shows those of "
        "your database.",
        "## Models that come with VSL",
        "They run on your own machine, without a GPU and without a download. Speech is a real "
        "neural voice. **Image and video are procedural art, drawn from the prompt's letters and "
        "a seed; they are not neural and do not understand the prompt.**",
    ]
    for model in SHIPPED:
        parts += [f"### {model.model_id}", f"{model.description}.", _parameters(model.schema)]
    rows = [
        [code(name), kind, "not known" if price == "NULL" else f"${price}", about]
        for name, kind, price, about in sql_files.hosted_models()
    ]
    parts += [
        "## Models that run at Replicate",
        "They are rows of the registry. This version has no provider `replicate`, so the command "
        "line refuses them, and a row inserted by SQL waits.",
        table(["model", "makes", "price of a job", "about"], rows),
    ]
    return "\n\n".join(parts)


def _parameters(schema: Mapping[str, Any]) -> str:
    rows = []
    for name, about in schema["properties"].items():
        kind = about["type"]
        kinds = " or ".join(kind) if isinstance(kind, list) else kind
        default = "required" if name in schema.get("required", []) else about.get("default", "")
        rows.append([code(name), kinds, _accepted(about), str(default), about["description"]])
    return table(["parameter", "type", "accepts", "default", "meaning"], rows)


def _accepted(about: Mapping[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(str(value) for value in about["enum"])
    if "maxLength" in about:
        return f"{about.get('minLength', 0)} to {about['maxLength']} characters"
    limits = f"{about['minimum']} to {about['maximum']}" if "maximum" in about else ""
    return f"{limits}, a multiple of {about['multipleOf']}" if "multipleOf" in about else limits


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "settings.md": settings,
    "models.md": models,
    "tables.md": tables,
    "functions.md": functions,
    "roles.md": roles,
    "queries.md": queries,
    "checks.md": checks,
    "errors.md": error_codes,
}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or compare them; the exit status."""
    stale = []
    for name, page in PAGES.items():
        path, text = REFERENCE / name, f"{MADE}\n\n{page()}\n"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    if "--check" not in arguments or not stale:
        return 0
    sys.stderr.write(
        f"docs/reference is out of date ({', '.join(stale)}): run `python docs/generate.py`\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
