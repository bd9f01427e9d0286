"""The reference pages are up to date, whole, and true of a real database."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import typer
from tests.conftest import Connect
from tests.docs.pages import ROOT

from vsl import config, errors
from vsl.cli.commands import make_app

on_18 = pytest.mark.parametrize("server", [18], indirect=True)

COLUMNS = """
SELECT c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname IN ('public', 'vsl') AND c.relkind = 'r'
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE connamespace IN ('public'::regnamespace, 'vsl'::regnamespace) AND contype IN ('c', 'f', 'u')
"""
INDEXES = """
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace IN ('public'::regnamespace, 'vsl'::regnamespace)
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
"""
FUNCTIONS = "SELECT proname FROM pg_proc WHERE pronamespace = 'vsl'::regnamespace"

SHORT_NAMES = {"timestamptz": "timestamp with time zone", "varchar": "character varying"}


@pytest.fixture(scope="module")
def sql_files() -> ModuleType:
    """The module that reads the SQL files."""
    spec = importlib.util.spec_from_file_location("sql_files", ROOT / "docs" / "sql_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sql_files"] = module
    spec.loader.exec_module(module)
    return module


def reference(page: str) -> str:
    return (ROOT / "docs" / "reference" / page).read_text("utf-8")


def test_the_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_its_section() -> None:
    headings = set(re.findall(r"^##+ (.+)$", reference("commands.md"), re.M))
    missing = set(_commands(typer.main.get_command(make_app()), "vsl")) - headings
    assert not missing


def _commands(command: Any, path: str) -> Iterator[str]:
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield f"{path} {name}"
            yield from _commands(child, f"{path} {name}")


def test_every_setting_is_named() -> None:
    assert [name for name in config.VARIABLES if f"`{name}`" not in reference("settings.md")] == []


def test_every_error_code_is_named() -> None:
    page = reference("errors.md")
    codes = {kind.code for kind in vars(errors).values() if hasattr(kind, "code")}
    texts = [path.read_text("utf-8") for path in (ROOT / "src" / "vsl" / "worker").glob("*.py")]
    codes |= set(re.findall(r'AttemptFailedError\(\s*"([a-z_]+[a-z])"', "".join(texts)))
    texts = [path.read_text("utf-8") for path in (ROOT / "database/functions").glob("*.sql")]
    codes |= set(re.findall(r"'(VS\d{3}|worker_lost)'", "".join(texts)))
    assert {"invalid_input", "timeout", "VS001", "VS004", "worker_lost"} <= codes
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


@on_18
def test_every_function_is_named(database: str, connect: Connect) -> None:
    page = reference("functions.md")
    found = [name for (name,) in connect(database).execute(FUNCTIONS)]
    assert len(found) > 30
    assert [name for name in found if f"vsl.{name}" not in page] == []


@on_18
def test_tables_are_as_their_files_say(
    database: str, connect: Connect, sql_files: ModuleType
) -> None:
    found = connect(database)
    found.execute("SET search_path = ''")
    tables = sql_files.tables()
    columns = {(t.name, c.name, _long(c.type)) for t in tables for c in t.columns}
    assert columns == set(found.execute(COLUMNS))
    constraints = {(t.name, name) for t in tables for name in t.constraints}
    assert constraints == set(found.execute(CONSTRAINTS))
    indexes = {(t.name, f"{t.name.split('.')[0]}.{i.name}") for t in tables for i in t.indexes}
    assert indexes == set(found.execute(INDEXES))


def _long(kind: str) -> str:
    name, bracket, rest = kind.replace(", ", ",").partition("(")
    return SHORT_NAMES.get(name, name) + bracket + rest


@on_18
def test_every_role_is_named(database: str, connect: Connect) -> None:
    statement = r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'vsl\_%'"
    found = [name for (name,) in connect(database).execute(statement)]
    assert len(found) == 7
    assert [name for name in found if f"`{name}`" not in reference("roles.md")] == []
