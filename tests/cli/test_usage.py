"""Mistakes that need no database to be seen: one clear message, the right status."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.program import CANARY, Vsl
from tests.support.waiting import wait_until
from typer.testing import CliRunner

from vsl import __version__
from vsl.cli.commands import make_app
from vsl.cli.main import run as run_program

SECRET = "s3cr3t-of-nobody"

COMMANDS = {
    "generate",
    "demo",
    "up",
    "worker",
    "jobs list",
    "jobs show",
    "jobs watch",
    "jobs cancel",
    "jobs retry",
    "models list",
    "models show",
    "models add",
    "models enable",
    "models disable",
    "models serve",
    "db start",
    "db stop",
    "db status",
    "db migrate",
    "db plan",
    "db new",
    "db sql",
    "db accept-edit",
    "db mark-applied",
    "db forget-failed",
    "db sizes",
    "db indexes",
    "db connections",
    "db slow",
    "db bloat",
    "db locks",
    "db kill",
    "db audit",
    "db psql",
}


def test_the_version(vsl: Vsl) -> None:
    done = vsl("--version")
    assert (done.status, done.out) == (0, f"vsl {__version__}\n")


def test_every_command_has_help_for_80_columns(vsl: Vsl) -> None:
    runner = CliRunner(env={"COLUMNS": "80"})
    for command in ("", *sorted(COMMANDS)):
        shown = runner.invoke(make_app(), [*command.split(), "--help"], prog_name="vsl")
        assert shown.exit_code == 0, command
        assert shown.output.startswith(f"Usage: vsl {command}".rstrip()), command
        assert max(len(line) for line in shown.output.splitlines()) <= 80, command
        assert "<str" not in shown.output, command  # how Typer shows Python's types
        assert "--json" in shown.output or command in ("", "db psql", "worker"), command
    assert vsl("generate", "--help").out.startswith("Usage: vsl generate [OPTIONS] MODEL")


def test_no_command_shows_the_help(vsl: Vsl) -> None:
    done = vsl()
    assert done.status == 2
    assert done.out == ""
    assert "Commands:\n  generate" in done.err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["genrate"], "no such command 'genrate'. Did you mean 'generate'?"),
        (["jobs", "lst"], "no such command 'lst'. Did you mean 'list'?"),
        (["jobs", "list", "--sttus", "x"], "no such option: --sttus"),
        (["jobs", "list", "--limit", "many"], "invalid value for '--limit'"),
        (["jobs", "list", "--limit", "0"], "invalid value for '--limit'"),
        (["jobs", "show"], "missing argument 'JOB'"),
        (["generate"], "missing argument 'MODEL'"),
    ],
)
def test_wrong_usage(vsl: Vsl, typed: list[str], said: str) -> None:
    done = vsl(*typed)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {said}")
    assert "next:  See `vsl" in done.err


def test_wrong_usage_as_json(vsl: Vsl) -> None:
    done = vsl("jobs", "list", "--json", "--limit", "many")
    assert (done.status, done.out) == (2, "")
    assert done.error["code"] == "usage"
    assert "--limit" in done.error["message"]
    assert done.error["hint"] == "See `vsl jobs list --help`."


def test_a_parameter_written_as_an_option(vsl: Vsl) -> None:
    done = vsl("generate", "vsl-image", "--width", "512")
    assert done.status == 2
    assert "no such option: --width" in done.err
    assert "name=value" in done.err


def test_a_prompt_without_its_option_is_not_repeated(vsl: Vsl) -> None:
    done = vsl("generate", "vsl-image", CANARY)
    assert done.status == 2
    assert "--prompt" in done.err


def test_a_status_that_there_is_not(vsl: Vsl) -> None:
    done = vsl("jobs", "list", "--status", "complete", "--json")
    assert done.status == 2
    assert done.error["code"] == "invalid_input"
    assert done.error["problems"] == [
        {
            "field": "--status",
            "reason": "is not known",
            "accepted": "one of pending, processing, completed, failed, cancelled",
        }
    ]


def test_arguments_that_are_no_text(vsl: Vsl) -> None:
    done = vsl("generate", "vsl-image", "--prompt", b"\xff\xfe")
    assert (done.status, done.out) == (2, "")
    assert done.err == "error: argument 4: is not UTF-8 text\n"


def test_a_prompt_from_a_pipe_that_is_no_text(vsl: Vsl) -> None:
    done = vsl("generate", "vsl-image", "--prompt", "-", stdin=b"\xff\xfe")
    assert (done.status, done.err) == (2, "error: prompt: is not UTF-8 text\n")


def test_a_prompt_without_end(vsl: Vsl) -> None:
    done = vsl("generate", "vsl-image", "--prompt", "-", stdin=b"x" * 1_000_000)
    assert done.status == 2
    assert "prompt: has more than 100,000 characters (at most 100,000)" in done.err


def test_a_misspelt_variable(vsl: Vsl) -> None:
    done = vsl("jobs", "list", VSL_HOEM="/tmp/x")
    assert done.status == 2
    assert "VSL_HOEM: is not a setting of VSL (did you mean VSL_HOME?)" in done.err


def test_without_a_database(vsl: Vsl) -> None:
    for command in (["jobs", "list"], ["db", "psql"], ["db", "migrate"], ["worker"]):
        done = vsl(*command)
        assert (done.status, done.out) == (1, ""), command
        assert done.err.startswith("error: the embedded database is not running\n"), command
        assert "`vsl up`" in done.err, command
    status = vsl("db", "status", "--json")
    assert (status.status, status.document["state"]) == (1, "absent")


def test_a_database_that_is_down(vsl: Vsl) -> None:
    vsl = vsl.with_variables(DATABASE_URL=f"postgresql://u:{SECRET}@127.0.0.1:9/d")
    commands = (
        ["jobs", "list"],
        ["generate", "vsl-image", "--prompt", CANARY],
        ["worker"],
        ["db", "status"],
        ["db", "migrate"],
        ["db", "psql", "-c", "SELECT 1"],
        ["models", "serve"],
        ["up"],
        ["demo"],
    )
    for command in commands:
        done = vsl(*command)
        assert done.status == (2 if command[1:2] == ["psql"] else 1), command
        assert SECRET not in done.err, command
        if command[1:2] != ["psql"]:
            said = "error: the database cannot be reached: nothing listens at its address\nnext:"
            assert said in done.err, command
    done = vsl("jobs", "list", "--json")
    assert done.error["code"] == "database_error"
    assert SECRET not in done.err


def test_a_host_that_there_is_not(vsl: Vsl) -> None:
    done = vsl("jobs", "list", DATABASE_URL=f"postgresql://u:{SECRET}@nowhere.invalid/d")
    assert done.status == 1
    assert "its host name is not known" in done.err
    assert SECRET not in done.err


def test_an_address_that_is_none(vsl: Vsl) -> None:
    for url in (f"postgresql://u:{SECRET}@h:port/d", f"postgresql://u:{SECRET}@h/d?no=1"):
        done = vsl("jobs", "list", DATABASE_URL=url)
        assert done.status == 2
        assert "DATABASE_URL: is not a PostgreSQL address" in done.err
        assert SECRET not in done.err


def test_a_home_that_cannot_be_written(vsl: Vsl) -> None:
    (vsl.home / "file").touch()
    below = str(vsl.home / "file" / "home")
    for command in (["up"], ["demo"], ["db", "start"], ["models", "serve"]):
        done = vsl(*command, VSL_HOME=below)
        assert done.status == 1, command
        assert "VSL_HOME" in done.err, command
        assert str(vsl.home / "file") in done.err, command


def test_a_store_of_another_kind_is_refused_before_anything_starts(vsl: Vsl) -> None:
    done = vsl("up", VSL_STORAGE="gopher://user:s3cr3t@host/x")
    assert done.status == 2
    assert "VSL_STORAGE: names a store of the kind 'gopher'" in done.err
    assert "s3cr3t" not in done.err
    assert not (vsl.home / "postgres").exists()


def test_a_store_that_cannot_be_made(vsl: Vsl) -> None:
    (vsl.home / "file").touch()
    done = vsl("up", VSL_STORAGE=str(vsl.home / "file" / "media"))
    assert done.status == 1
    assert done.err.startswith("error: folder ")
    assert not (vsl.home / "postgres").exists()


def test_programs_that_are_not_there(vsl: Vsl) -> None:
    done = vsl("up", VSL_PG_BIN="/nowhere")
    assert done.status == 1
    assert "/nowhere is not a folder" in done.err


def test_a_port_in_use(vsl: Vsl) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = vsl("up", VSL_PG_PORT=str(port))
    assert done.status == 1
    assert f"error: Port {port} on 127.0.0.1 is in use by another program." in done.err


def test_a_folder_for_copies_that_cannot_be_written(vsl: Vsl) -> None:
    (vsl.home / "file").touch()
    for command in (["generate", "vsl-image", "--prompt", CANARY], ["demo"]):
        for folder in ("file", "file/below", "/proc/here"):
            done = vsl(*command, "--out", folder)
            assert done.status == 2, (command, folder)
            assert done.err.startswith(f"error: --out {folder}: "), (command, folder)


def test_copies_without_waiting(vsl: Vsl) -> None:
    done = vsl("generate", "vsl-image", "--no-wait", "--out", "x")
    assert done.status == 2
    assert "--out: needs --wait" in done.err
    assert not (vsl.home / "x").exists()


def test_what_a_model_to_add_must_be(vsl: Vsl) -> None:
    done = vsl("models", "add", "x", "--url=http://[", "--makes=imag", "--price=NaN", "--json")
    assert done.status == 2
    assert [p["field"] for p in done.error["problems"]] == ["--makes", "--url", "--price"]
    gone = vsl("models", "add", "x", "--url=http://127.0.0.1:9", "--makes=image")
    assert gone.status == 1
    assert "no Cog server answers with its parameters at http://127.0.0.1:9" in gone.err


def test_a_model_to_serve_that_does_not_come_with_vsl(vsl: Vsl) -> None:
    done = vsl("models", "serve", "sdxl")
    assert done.status == 2
    assert "sdxl: does not come with VSL (one of vsl-speech, vsl-image, vsl-video)" in done.err


def test_lanes_that_are_none(vsl: Vsl) -> None:
    done = vsl("worker", "--lanes", "Cog!")
    assert done.status == 2
    assert "--lanes: is not a list of lanes" in done.err


def test_output_that_cannot_be_written(vsl: Vsl) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*vsl.program, "--version"],
            env=vsl.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_a_reader_that_has_gone(vsl: Vsl) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*vsl.program, "--version"],
        env=vsl.environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_fault_of_the_program(
    level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(**_: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(sys, "argv", ["vsl", "jobs", "list"])
    monkeypatch.setenv("VSL_LOG_LEVEL", level)
    assert run_program(faulty) == 1
    said = capsys.readouterr().err
    assert "error: something went wrong that VSL did not foresee (ZeroDivisionError)" in said
    # The words of an error that is not ours may hold anything: they are for those who ask for them.
    assert (CANARY in said, "Traceback" in said) == (
        (True, True) if level == "debug" else (False, False)
    )


def test_ctrl_c_while_the_program_loads(vsl: Vsl) -> None:
    terminal = vsl.terminal("jobs", "list")
    loaded = Path(f"/proc/{terminal.process.pid}/maps")
    # Python runs, and is somewhere in its imports.
    wait_until(lambda: "_ssl" in (maps := loaded.read_text()) or "psycopg" in maps, within=20)
    terminal.type("\x03")
    assert terminal.wait() in (1, 130)  # 1 where the program was faster: nothing runs there


def test_messages_are_folded_between_words(vsl: Vsl) -> None:
    terminal = vsl.terminal("jobs", "list", columns=60)
    assert terminal.wait() == 1
    assert [line.rstrip() for line in terminal.lines] == [
        "error: the embedded database is not running",
        "next:  Start everything with `vsl up`, the database alone",
        "       with `vsl db start`, or set DATABASE_URL.",
    ]
    assert "\x1b[1;31merror:" in terminal.raw


def test_colours_can_be_switched_off(vsl: Vsl) -> None:
    terminal = vsl.with_variables(NO_COLOR="1").terminal("jobs", "list")
    assert terminal.wait() == 1
    assert "\x1b[1;31m" not in terminal.raw
