"""The commands of ``vsl``: nouns, then verbs."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from vsl import __version__
from vsl.cli import (
    bench,
    db,
    db_care,
    db_doctor,
    db_incidents,
    db_looks,
    db_schema,
    demo,
    generate,
    jobs,
    models,
    up,
    worker,
)

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


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(
        cls=Group,
        no_args_is_help=True,
        # Plain help, which can be piped and copied.
        rich_markup_mode=None,
        # A traceback of ours holds no prompts; rich ones show the variables.
        pretty_exceptions_enable=False,
        help=help_text,
    )


app = _group(
    "AI media generation on your own PostgreSQL: every job, file and cent in one database."
)
app.command("generate", cls=Command)(generate.generate)
app.command("demo", cls=Command)(demo.demo)
app.command("up", cls=Command)(up.up)
app.command("worker", cls=Command)(worker.worker)

_jobs = _group("Look at jobs, follow them, cancel and retry them.")
for name, verb in jobs.VERBS.items():
    _jobs.command(name, cls=Command)(verb)
app.add_typer(_jobs, name="jobs")

_models = _group("The models that jobs can name.")
for name, verb in models.VERBS.items():
    _models.command(name, cls=Command)(verb)
app.add_typer(_models, name="models")

_db = _group("The database server and the schema.")
for part in (db, db_schema, db_doctor, db_looks, db_incidents, db_care):
    for name, verb in part.VERBS.items():
        _db.command(name, cls=Command)(verb)
_db.command(
    "psql",
    cls=Command,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(db.psql)
app.add_typer(_db, name="db")

_bench = _group("A database to measure on.")
for name, verb in bench.VERBS.items():
    _bench.command(name, cls=Command)(verb)
app.add_typer(_bench, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vsl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options of all commands."""
