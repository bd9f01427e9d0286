"""``vsl``: nouns, then verbs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vsl import __version__
from vsl.cli import db, demo, generate, jobs, models, up, worker
from vsl.cli.output import err, report
from vsl.errors import VslError


class Commands(TyperGroup):
    """Turns VSL's errors into words and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except VslError as error:
            raise typer.Exit(report(error, as_json="--json" in sys.argv)) from None
        except KeyboardInterrupt:
            err.print("interrupted")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has gone; there is nobody to tell.
            sys.stderr.close()
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    # A traceback of ours holds no prompts; rich ones show the variables.
    pretty_exceptions_enable=False,
    help="AI media generation on your own PostgreSQL: every job, file and cent in one database.",
)
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(db.app, name="db")
app.command("generate")(generate.generate)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("worker")(worker.worker)


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


def main() -> None:
    """The program."""
    app(prog_name="vsl")


if __name__ == "__main__":
    main()
