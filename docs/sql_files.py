"""Reads what the files in ``database/`` say of themselves, for the reference pages.

The files are written in one form, so a few patterns are enough; the tests compare what is read
here with the catalogue of a real database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DATABASE = Path(__file__).resolve().parents[1] / "database"

_TABLE = re.compile(
    r"(?P<about>(?:^--[^\n]*\n)*)^CREATE TABLE (?P<name>[\w.]+) \(\n(?P<body>.*?)^\)", re.M | re.S
)
_INDEX = re.compile(
    r"(?P<about>(?:^--[^\n]*\n)+)^CREATE (?P<unique>UNIQUE )?INDEX (?P<name>\w+) ON (?P<on>[^;]+);",
    re.M,
)
_COLUMN = re.compile(
    r"(?P<name>\w+) (?P<type>.+?)"
    r"(?P<rest> (?:PRIMARY|NOT|DEFAULT|CONSTRAINT|GENERATED|REFERENCES)\b.*)?,?"
)
_CONSTRAINT = re.compile(r"CONSTRAINT (?P<name>\w+) (?P<rule>CHECK \(.*\)|UNIQUE|REFERENCES [^,]+)")
_FUNCTION = re.compile(
    # An earlier signature, or an earlier answer, is dropped between the two.
    r"(?P<about>(?:^--[^\n]*\n)+)(?:^DROP FUNCTION [^\n]*\n)?"
    r"^CREATE OR REPLACE FUNCTION vsl\.(?P<name>\w+)(?P<signature>.*?)\nLANGUAGE",
    re.M | re.S,
)
_TRIGGER = re.compile(
    r"^CREATE OR REPLACE TRIGGER (?P<name>\w+) (?P<when>\w+ .*?) ON (?P<table>[\w.]+)\b", re.M
)
_VIEW = re.compile(
    r"(?P<about>(?:^--[^\n]*\n)+)^CREATE OR REPLACE VIEW public\.(?P<name>\w+)", re.M
)
_RAISE = re.compile(r"RAISE EXCEPTION USING\s(?P<what>.*?);\n", re.S)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_GRANT = re.compile(r"\('(vsl_\w+)', ((?:'[^']*'\s*)+), ((?:'[^']*'|v_contract| \|\| |\s)+)\)")


@dataclass(frozen=True)
class Column:
    """A column. rule: what follows its type, such as ``NOT NULL DEFAULT now()``."""

    name: str
    type: str
    rule: str
    about: str


@dataclass(frozen=True)
class Index:
    """An index with the query that it serves."""

    name: str
    on: str
    unique: bool
    about: str


@dataclass(frozen=True)
class Table:
    """A table. constraints: by name, those of columns included."""

    name: str
    about: str
    columns: tuple[Column, ...]
    constraints: dict[str, str]
    indexes: tuple[Index, ...]


@dataclass(frozen=True)
class Function:
    """A function of schema ``vsl``. triggers: what fires it, when it is a trigger's.

    about: with its line ends, for some are lists.
    """

    name: str
    signature: str
    about: str
    triggers: tuple[str, ...]

    @property
    def is_trigger(self) -> bool:
        """Whether only triggers call it."""
        return self.signature.endswith("RETURNS trigger")


@dataclass(frozen=True)
class Refusal:
    """An error that a function raises on purpose. constraint: its name, or None."""

    code: str
    constraint: str | None
    message: str
    function: str


@dataclass(frozen=True)
class Query:
    """A named statement. parameters: with their types, in the order of their first use."""

    name: str
    about: str
    parameters: tuple[str, ...]


def words(comment: str) -> str:
    """A block of SQL comment lines as running text."""
    return " ".join(lines(comment).split())


def lines(comment: str) -> str:
    """A block of SQL comment lines without their marks."""
    return "\n".join(re.sub("^-- ?", "", line) for line in comment.splitlines()).strip()


def tables() -> list[Table]:
    """All tables, those of the contract first."""
    found = [
        _table(match, text) for _, text in _manifest("tables/") for match in _TABLE.finditer(text)
    ]
    return sorted(found, key=lambda table: (not table.name.startswith("public."), table.name))


def _table(match: re.Match[str], text: str) -> Table:
    columns: list[Column] = []
    constraints: dict[str, str] = {}
    about: list[str] = []
    for line in (raw.strip() for raw in match["body"].splitlines()):
        if line.startswith("--"):
            about.append(line)
            continue
        named = _CONSTRAINT.search(line)
        if named:
            constraints[named["name"]] = named["rule"].rstrip(",")
        if line.startswith(("CONSTRAINT", "PRIMARY KEY")):
            continue
        column = _COLUMN.fullmatch(line)
        if column is None:
            raise ValueError(f"cannot read the column {line!r} of {match['name']}")
        rule = (column["rest"] or "").strip().rstrip(",")
        columns.append(Column(column["name"], column["type"], rule, words("\n".join(about))))
        about = []
    indexes = tuple(
        Index(i["name"], _one_line(i["on"]), bool(i["unique"]), words(i["about"]))
        for i in _INDEX.finditer(text)
        if i["on"].startswith(match["name"] + " ")
    )
    return Table(match["name"], words(match["about"]), tuple(columns), constraints, indexes)


def functions() -> list[Function]:
    """All functions in load order."""
    return [_function(text) for _, text in _manifest("functions/")]


def _function(text: str) -> Function:
    match = _FUNCTION.search(text)
    if match is None:
        raise ValueError(f"cannot read the function in {text[:80]!r}")
    triggers = tuple(f"{_one_line(t['when'])} ON {t['table']}" for t in _TRIGGER.finditer(text))
    signature = _one_line(match["signature"]).replace("( ", "(").replace(" )", ")")
    return Function(match["name"], f"{match['name']}{signature}", lines(match["about"]), triggers)


def views() -> list[tuple[str, str]]:
    """Each view with what its file says of it."""
    found = (_VIEW.search(text) for _, text in _manifest("views/"))
    return [(match["name"], words(match["about"])) for match in found if match]


def refusals() -> list[Refusal]:
    """Every error that the functions raise, in load order."""
    return [
        refusal
        for path, text in _manifest("functions/")
        for raised in _RAISE.finditer(text)
        for refusal in _refusals(raised["what"], text, Path(path).stem)
    ]


def _refusals(what: str, text: str, function: str) -> Iterator[Refusal]:
    code = _after(what, "ERRCODE")
    constraint = re.search(r"CONSTRAINT = '(\w+)'", what)
    if constraint or "CONSTRAINT" not in what:
        yield Refusal(code, constraint and constraint[1], _after(what, "MESSAGE"), function)
        return
    # The function picks the constraint and its words before it raises.
    pairs = re.findall(r"WHEN '(\w+)' THEN (.+)", what) or re.findall(
        r"v_constraint := '(\w+)';\s+v_message := (.+?);", text, re.S
    )
    for name, message in pairs:
        yield Refusal(code, name, _joined(message), function)


def _after(what: str, word: str) -> str:
    """The text that an item of RAISE is set to, up to the next item."""
    match = re.search(
        rf"{word} = (.*?)(?=,\s+(?:MESSAGE|HINT|SCHEMA|CONSTRAINT|ERRCODE) =|,\s*SCHEMA|\Z)",
        what,
        re.S,
    )
    return _joined(match[1]) if match else ""


def _joined(expression: str) -> str:
    """The literals of an expression as one text; the arguments of format() are left out."""
    if expression.lstrip().startswith("format("):
        expression = _LITERAL.search(expression)[0]  # type: ignore[index]
    text = "".join(part.replace("''", "'") for part in _LITERAL.findall(expression))
    return re.sub(r"%[sLI]", "…", text)


def roles() -> list[tuple[str, str]]:
    """Each role with what it is for."""
    text = (DATABASE / "roles.sql").read_text(encoding="utf-8")
    return re.findall(r"^--   (vsl_\w+) +(.+)$", text, re.M)


def grants() -> list[tuple[str, str, str]]:
    """Role, privileges and object, as ``roles.sql`` grants them."""
    text = (DATABASE / "roles.sql").read_text(encoding="utf-8")
    contract = _joined(re.search(r"v_contract CONSTANT text := (.*?);", text, re.S)[1])  # type: ignore[index]
    return [
        (role, _joined(privileges), _joined(object_.replace("v_contract", f"'{contract}'")))
        for role, privileges, object_ in _GRANT.findall(text)
    ]


def queries(folder: str) -> list[Query]:
    """The named statements of a folder below ``database``."""
    return [
        _query(path.stem, path.read_text(encoding="utf-8"))
        for path in sorted((DATABASE / folder).glob("*.sql"))
    ]


def _query(name: str, text: str) -> Query:
    about = re.match(r"(?:--.*\n)+", text)
    parameters = re.findall(r"%\((\w+)\)s::([a-z ]+(?:\[\])?)", text)
    unique = dict.fromkeys(f"{name}: {kind.strip()}" for name, kind in parameters)
    return Query(name, words(about[0] if about else ""), tuple(unique))


def hosted_models() -> list[tuple[str, str, str, str]]:
    """Model, media type, price and description of the registry's hosted models."""
    text = (DATABASE / "registry.sql").read_text(encoding="utf-8")
    row = (
        r"\('([\w-]+)', '(\w+)', 'replicate', '[^']*', '[^']*', ([\d.]+|NULL), \w+, \d+, '([^']*)'"
    )
    return [(m[0], m[1], m[2], m[3]) for m in re.findall(row, text)]


def _manifest(folder: str) -> Iterator[tuple[str, str]]:
    for line in (DATABASE / "manifest.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(folder):
            yield line, (DATABASE / line).read_text(encoding="utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.split())
