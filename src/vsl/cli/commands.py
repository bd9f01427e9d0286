"""The commands of ``vsl``: nouns, then verbs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from vsl import __version__

# Typer writes Python's type behind each name, which says nothing to a reader of VSL's words.
_TYPE = re.compile(r" <[^>]*>$")


class Command(TyperCommand):
    """A command whose help shows names without Python's types."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options."""
        _write(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Write ``MODEL``, not ``{MODEL}``."""
        return [re.sub(r"^\{(.*)\}", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """A group of commands with the same help."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands."""
        self.format_commands(ctx, formatter)
        _write(self, ctx, formatter)


def _write(command: Any, ctx: Any, formatter: Any) -> None:
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        found = [p.get_help_record(ctx) for p in command.get_params(ctx) if _kind(p) == kind]
        records = [(_TYPE.sub("", record[0]), record[1]) for record in found if record]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _kind(parameter: Any) -> str:
    return str(parameter.param_type_name)


def _group(help_text: str, default: Callable[..., Any] | None = None) -> typer.Typer:
    """A group of commands. default: what it does when none of them is named, with its options."""
    made = typer.Typer(
        cls=Group,
        no_args_is_help=default is None,
        # Plain help, which can be piped and copied.
        rich_markup_mode=None,
        # A traceback of ours holds no prompts; rich ones show the variables.
        pretty_exceptions_enable=False,
        help=help_text,
    )
    if default is not None:
        made.callback(invoke_without_command=True)(default)
    return made


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vsl {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options of all commands."""


#: Which file of ``vsl.cli`` holds each word that follows ``vsl``. Only what was typed is loaded, so
#: that a command does not pay for all the others.
NOUNS: Mapping[str, str] = {
    "generate": "generate",
    "demo": "demo",
    "up": "up",
    "worker": "worker",
    "jobs": "jobs",
    "models": "models",
    "storage": "storage",
    "db": "db",
    "bench": "bench",
}
#: The same for each word that follows ``vsl db``.
OF_DB: Mapping[str, str] = {
    "start": "db",
    "stop": "db",
    "psql": "db",
    "status": "db_schema",
    "migrate": "db_schema",
    "plan": "db_schema",
    "new": "db_schema",
    "sql": "db_schema",
    "accept-edit": "db_schema",
    "mark-applied": "db_schema",
    "forget-failed": "db_schema",
    "lint": "db_lint",
    "verify": "db_verify",
    "adopt": "db_adopt",
    "doctor": "db_doctor",
    "sizes": "db_looks",
    "indexes": "db_looks",
    "slow": "db_looks",
    "bloat": "db_looks",
    "locks": "db_looks",
    "connections": "db_incidents",
    "kill": "db_incidents",
    "audit": "db_incidents",
    "maintain": "db_maintain",
    "tune": "db_tune",
    "pool": "db_pool",
}
_HELP = {
    "jobs": "Look at jobs, follow them, cancel and retry them.",
    "models": "The models that jobs can name.",
    "storage": "The store: whether it and the database agree, and links to files.",
    "db": "The database server and the schema.",
    "bench": "A database to measure on.",
}


def make_app(words: Sequence[str] = ()) -> typer.Typer:
    """The commands. words: what was typed; with none of them known, all commands are loaded."""
    app = _group(
        "AI media generation on your own PostgreSQL: every job, file and cent in one database."
    )
    app.callback()(options)
    for noun in _asked(words, NOUNS):
        if noun == "db":
            app.add_typer(_db(words[1:]), name=noun)
        elif noun in _HELP:
            group = _group(_HELP[noun])
            for name, verb in _file(NOUNS[noun]).VERBS.items():
                group.command(name, cls=Command)(verb)
            app.add_typer(group, name=noun)
        else:
            app.command(noun, cls=Command)(getattr(_file(NOUNS[noun]), noun))
    return app


def _db(words: Sequence[str]) -> typer.Typer:
    group = _group(_HELP["db"])
    for name in _asked(words, OF_DB):
        file = _file(OF_DB[name])
        if name in ("doctor", "pool"):
            # A command by itself, with more below it.
            below = _group(file.HELP, default=file.DEFAULT)
            for verb_name, verb in file.BELOW.items():
                below.command(verb_name, cls=Command)(verb)
            group.add_typer(below, name=name, help=file.HELP)
        elif name == "psql":
            passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
            group.command(name, cls=Command, context_settings=passed_on)(file.psql)
        else:
            group.command(name, cls=Command)(file.VERBS[name])
    return group


def _asked(words: Sequence[str], known: Iterable[str]) -> Iterable[str]:
    """The first word if it is known; else all of them, for help, completion and mistakes."""
    if words[:1] == ["--version"]:
        return ()
    return words[:1] if words and words[0] in known else known


def _file(name: str) -> Any:
    return import_module(f"vsl.cli.{name}")
