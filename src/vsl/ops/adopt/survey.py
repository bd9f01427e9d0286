"""What adoption finds: tables, columns, rows, and what is in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vsl.db.adoption import KEPT, TABLES, count_extras, count_rows, count_rules
from vsl.db.statement import Connection, fetch, fetch_one
from vsl.db.statements_adopt import (
    Dependent,
    DescribeOriginals,
    LeftBehind,
    ListOriginalColumns,
    ListOriginalDependents,
    ListOriginalExtras,
    ListOriginals,
    ListOriginalVersions,
    OriginalColumn,
    OriginalDatabase,
    OriginalRelation,
    OriginalVersion,
)
from vsl.errors import NotAllowed
from vsl.ops.adopt.rules import mended, refused

#: Tables without a JSON column for what VSL has no column for.
NO_PLACE = ("usage_tracking", "user_preferences")
_VIEWS: Mapping[str, Sequence[str]] = {
    "v_recent_jobs_with_outputs": (
        *("id", "job_id", "media_type", "model_id", "status", "user_id", "created_at"),
        *("completed_at", "actual_processing_time", "estimated_cost", "s3_url", "thumbnail_url"),
        *("file_size", "duration", "width", "height"),
    ),
    "v_user_statistics": (
        *("user_id", "total_jobs", "completed_jobs", "failed_jobs", "processing_jobs"),
        *("total_processing_time", "avg_processing_time", "total_estimated_cost"),
        *("last_job_created", "completion_rate", "total_actual_cost"),
    ),
}


@dataclass(frozen=True, slots=True)
class TableReport:
    """An original table. refused: how many of its rows cannot be had."""

    name: str
    rows: int
    refused: int


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """A column that is not as VSL has it. found, expected: types; None where there is none."""

    table: str
    column: str
    found: str | None
    expected: str | None
    becomes: str


@dataclass(frozen=True, slots=True)
class RuleReport:
    """Rows that are not as VSL has them. becomes: None for rows that cannot be had.

    first: some of those, by identifier.
    """

    table: str
    column: str
    rows: int
    wrong: str
    becomes: str | None
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Structure:
    """What the catalogue says of an original layout.

    tables: the columns of each that is there. columns: those that are not as VSL's. extras: those
    that VSL has not, by table.
    """

    about: OriginalDatabase
    tables: Mapping[str, tuple[str, ...]]
    columns: tuple[ColumnReport, ...]
    extras: Mapping[str, tuple[str, ...]]
    versions: tuple[OriginalVersion, ...]
    dependents: tuple[Dependent, ...]
    left_behind: tuple[LeftBehind, ...]
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What adoption would do. Nothing of it holds prompts or parameters.

    database, server_version, login: where and as whom. time_zone: of times without a zone. models:
    how many become ``external``. carried: foreign keys and views that are made again. left: what
    stays with the original tables. grantees: roles that had rights on these and have none on the
    new ones. obstacles: what has to be out of the way first. undecided: what only the owner can
    decide, in words.
    """

    database: str
    server_version: str
    login: str
    time_zone: str
    versions: tuple[str, ...]
    tables: tuple[TableReport, ...]
    columns: tuple[ColumnReport, ...]
    mends: tuple[RuleReport, ...]
    refusals: tuple[RuleReport, ...]
    models: int
    carried: tuple[str, ...]
    left: tuple[str, ...]
    grantees: tuple[str, ...]
    obstacles: tuple[str, ...]
    undecided: tuple[str, ...] = field(default=())

    @property
    def refused(self) -> int:
        """How many rows cannot be had."""
        return sum(table.refused for table in self.tables)


async def read_structure(connection: Connection) -> Structure:
    """What there is to adopt, within a transaction after ``PrepareAdoption``.

    Raises ``NotAllowed`` when there is nothing, or VSL is there already; ``DatabaseError``.
    """
    about = await fetch_one(connection, DescribeOriginals())
    assert about is not None  # noqa: S101 - it always answers one row
    relations = await fetch(connection, ListOriginals())
    _require_original(about, relations)
    columns = await fetch(connection, ListOriginalColumns())
    tables = {
        r.name: tuple(c.column for c in columns if c.table == r.name and c.found is not None)
        for r in relations
        if r.kind == "table"
    }
    dependents = await fetch(connection, ListOriginalDependents(columns=_known(columns)))
    obstacles = [*_forbidden(about, relations), *_unfit(columns)]
    obstacles += [
        f"{found.kind if found.kind != 'other' else ''} {found.name}: {found.obstacle}".strip()
        for found in dependents
        if found.obstacle
    ]
    readable = "schema_migrations" in tables and not obstacles
    extras = {
        table: tuple(c.column for c in columns if c.table == table and c.expected is None)
        for table in tables
    }
    return Structure(
        about=about,
        tables=tables,
        columns=tuple(_differing(columns, about.time_zone)),
        extras=extras,
        versions=tuple(await fetch(connection, ListOriginalVersions())) if readable else (),
        dependents=tuple(dependents),
        left_behind=tuple(await fetch(connection, ListOriginalExtras())),
        obstacles=tuple(obstacles),
    )


async def assess(
    connection: Connection, there: Structure, *, on_step: Callable[[str], None]
) -> Assessment:
    """Look at all rows, through the views of ``vsl.db.adoption``. Raises ``DatabaseError``."""
    tables: list[TableReport] = []
    mends: list[RuleReport] = []
    refusals: list[RuleReport] = []
    undecided: list[str] = []
    models = 0
    if not there.obstacles:
        for table in TABLES:
            on_step(f"Looking at {table}")
            counted = await count_rows(connection, table)
            if table == "model_configurations":
                models = counted.rows - counted.refused
            if table in there.tables:
                tables.append(TableReport(table, counted.rows, counted.refused))
            for rule in await count_rules(connection, table):
                report = _report(table, rule.rule, rule.rows, rule.first, refuse=rule.refused)
                (refusals if rule.refused else mends).append(report)
            if table in NO_PLACE and there.extras.get(table):
                undecided += [
                    f"column {table}.{extra.column}, set in {_rows(extra.rows)}, has no place in "
                    f"VSL and would stay in {KEPT} only"
                    for extra in await count_extras(connection, table)
                ]
    if refusals:
        number = _rows(sum(table.refused for table in tables))
        undecided.append(f"{number} cannot be had and would stay in {KEPT} only")
    return Assessment(
        database=there.about.database,
        server_version=there.about.server_version,
        login=there.about.login,
        time_zone=there.about.time_zone,
        versions=tuple(row.version for row in there.versions),
        tables=tuple(tables),
        columns=there.columns,
        mends=tuple(mends),
        refusals=tuple(refusals),
        models=models,
        carried=tuple(f"{d.kind} {d.name}" for d in there.dependents if not d.obstacle),
        left=tuple(f"{b.kind} {b.name}" for b in there.left_behind if b.kind != "grantee"),
        grantees=tuple(b.name for b in there.left_behind if b.kind == "grantee"),
        obstacles=there.obstacles,
        undecided=tuple(undecided),
    )


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _report(table: str, rule: str, rows: int, first: Sequence[str], *, refuse: bool) -> RuleReport:
    column = rule.partition(":")[0]
    if refuse:
        return RuleReport(table, column, rows, refused(rule), None, tuple(first))
    wrong, becomes = mended(table, rule)
    return RuleReport(table, column, rows, wrong, becomes)


def _require_original(about: OriginalDatabase, relations: Sequence[OriginalRelation]) -> None:
    if about.installed and about.kept:
        raise NotAllowed(
            f"database {about.database} was adopted already: VSL is installed, and the original "
            f"tables are in schema {KEPT}",
            hint="Compare it with `vsl db verify`; bring it up to date with `vsl db migrate`.",
        )
    if about.installed:
        raise NotAllowed(
            f"VSL is installed in database {about.database} already; there is nothing to adopt",
            hint="Bring it up to date with `vsl db migrate`.",
        )
    if about.kept:
        raise NotAllowed(
            f"there is a schema {KEPT} already, to which the original tables would be moved",
            hint="If it is from an earlier adoption that you undid, rename or drop it.",
        )
    names = {relation.name for relation in relations if relation.kind != "view"}
    if not names & {"jobs", "media_outputs", "model_configurations", "usage_tracking"}:
        raise NotAllowed(
            f"schema public of database {about.database} has none of the tables jobs, "
            "media_outputs, model_configurations and usage_tracking; there is nothing to adopt",
            hint="Install VSL with `vsl db migrate`.",
        )


def _forbidden(about: OriginalDatabase, relations: Sequence[OriginalRelation]) -> Iterable[str]:
    """What this login may not do, and relations that are no tables."""
    for relation in relations:
        expected = "view" if relation.name in _VIEWS else "table"
        if relation.kind != expected:
            yield f"{relation.name} is a {relation.kind}, not a {expected}"
        elif not relation.owned:
            yield (
                f"{relation.kind} {relation.name} belongs to {relation.owner}: adopt as that role "
                "or as a superuser"
            )
    if not about.may_make_schemas:
        yield (
            f"{about.login} may not make schemas: "
            f'GRANT CREATE ON DATABASE "{about.database}" TO "{about.login}"'
        )
    if not about.may_make_tables:
        yield (
            f"{about.login} may not make tables in schema public: "
            f'GRANT CREATE ON SCHEMA public TO "{about.login}"'
        )
    if not about.may_make_temporary:
        yield (
            f"{about.login} may not make temporary views: "
            f'GRANT TEMPORARY ON DATABASE "{about.database}" TO "{about.login}"'
        )


def _unfit(columns: Sequence[OriginalColumn]) -> Iterable[str]:
    """Columns that are not there and must be, and those whose values cannot be read."""
    for column in columns:
        name = f"{column.table}.{column.column}"
        if column.found is None:
            if column.required:
                yield (
                    f"{column.table} has no column {column.column}, so it is not VSL's original "
                    "table; rename it, or move it to another schema"
                )
        elif column.kind == "time" and not column.found.startswith(("timestamp", "date")):
            yield (
                f"{name} has type {column.found}: "
                f"ALTER TABLE {column.table} ALTER COLUMN {column.column} TYPE timestamptz USING …"
            )
        elif column.kind == "json" and column.found not in ("json", "jsonb"):
            yield (
                f"{name} has type {column.found}: ALTER TABLE {column.table} ALTER COLUMN "
                f"{column.column} TYPE jsonb USING {column.column}::jsonb"
            )


def _differing(columns: Sequence[OriginalColumn], zone: str) -> Iterable[ColumnReport]:
    for column in columns:
        if column.found == column.expected:
            continue
        yield ColumnReport(
            column.table, column.column, column.found, column.expected, _becomes(column, zone)
        )


def _becomes(column: OriginalColumn, zone: str) -> str:
    if column.found is None:
        return "is missing; filled as for a new row, else empty"
    if column.expected is None:
        if column.table == "schema_migrations":
            return f"stays in {KEPT}"
        if column.table in NO_PLACE:
            return f"has no place in VSL; stays in {KEPT}"
        place = "configuration" if column.table == "model_configurations" else "metadata"
        return f"goes into {place}, below vsl_original"
    if column.kind == "time" and column.found.startswith(("timestamp", "date")):
        return "same values" if "with time zone" in column.found else f"read as {zone}"
    return "same values"


def _known(columns: Sequence[OriginalColumn]) -> dict[str, list[str]]:
    """The columns that views may go on reading, by relation."""
    known = {name: list(names) for name, names in _VIEWS.items()}
    for column in columns:
        if column.expected is not None:
            known.setdefault(column.table, []).append(column.column)
    return known
