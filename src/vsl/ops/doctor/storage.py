"""The checks of what is stored: tables, their statistics, sequences, the disk."""

from __future__ import annotations

from vsl.ops.doctor.check import Check, Limits
from vsl.ops.doctor.indexes import INDEXES
from vsl.ops.doctor.settings import SETTINGS

# Where Limits is empty, several measures count and the SQL decides; its first lines say how.
_DECIDED = Limits()

TABLES: tuple[Check, ...] = (
    Check(
        id="dead-rows",
        title="Dead rows in tables",
        area="tables",
        unit="percent",
        limits=Limits(warn=10, fail=20),
        why="Queries read past rows that nobody can see any more, and the table grows.",
        next="See whether the check xmin-horizon names what keeps vacuum back; then VACUUM.",
    ),
    Check(
        id="table-bloat",
        title="Tables that are mostly empty",
        area="tables",
        unit="percent",
        limits=_DECIDED,
        why="Every scan carries the empty pages along. New rows fill them, but only a rewrite "
        "gives them back to the disk.",
        next="Leave it when the table will grow again; else pg_repack, which locks for moments "
        "only. VACUUM FULL locks the table until it is done.",
    ),
    Check(
        id="toast-slack",
        title="Empty room in large values",
        area="tables",
        unit="percent",
        limits=_DECIDED,
        why="Prompts, parameters and answers of providers lie in TOAST, which no look at the "
        "table's own pages shows: a small table can hold gigabytes of nothing.",
        next="Leave it when as many values will come again; else pg_repack, which locks for "
        "moments only. VACUUM FULL locks the table until it is done.",
    ),
    Check(
        id="vacuum-overdue",
        title="Vacuum behind its schedule",
        area="tables",
        unit="percent",
        limits=_DECIDED,
        why="Autovacuum does not keep up: it is held back, slowed down too much, or its workers "
        "are busy elsewhere.",
        next="VACUUM the table, and raise autovacuum_max_workers or autovacuum_vacuum_cost_limit.",
    ),
    Check(
        id="analyze-overdue",
        title="Statistics missing or out of date",
        area="tables",
        unit="percent",
        limits=_DECIDED,
        why="Plans are made by statistics: without them a query that takes a millisecond can take "
        "minutes.",
        next="ANALYZE the table.",
    ),
    Check(
        id="autovacuum-settings",
        title="Autovacuum switched off",
        area="tables",
        unit="count",
        limits=_DECIDED,
        why="Nothing else removes dead rows, refreshes statistics and keeps the server from "
        "running out of transaction numbers.",
        next="Switch it on again.",
    ),
    Check(
        id="scale-factors",
        title="Big tables that autovacuum visits seldom",
        area="tables",
        unit="rows",
        limits=_DECIDED,
        why="A share of a big table is a big number: each vacuum comes late and takes long.",
        next="Give the table an autovacuum_vacuum_scale_factor of 0.01.",
    ),
    Check(
        id="sequential-scans",
        title="Big tables read whole",
        area="tables",
        unit="percent",
        limits=_DECIDED,
        why="A query that reads a whole big table where a few rows would do may lack an index.",
        next="Find the statement with `vsl db slow`, and look at its plan with EXPLAIN.",
    ),
    Check(
        id="cache-hit-tables",
        title="Table blocks found in memory",
        area="tables",
        unit="percent",
        limits=Limits(note=99, warn=95, fail=90, falling=True),
        why="What is not in shared_buffers is asked of the operating system: at best it comes from "
        "its cache, at worst from the disk.",
        next="See `vsl db tune` for shared_buffers and `vsl db slow` for what reads so much.",
    ),
    Check(
        id="sequences",
        title="Sequences running out",
        area="tables",
        unit="percent",
        limits=Limits(warn=50, fail=75),
        why="After a sequence's last number every INSERT that needs the next one fails.",
        next="Plan a migration to bigint.",
    ),
    Check(
        id="unvalidated-constraints",
        title="Constraints that old rows were not checked by",
        area="tables",
        unit="count",
        limits=_DECIDED,
        why="Rows that break the rule may be there, and the planner may not rely on it.",
        next="Validate the constraint.",
    ),
    Check(
        id="disk-growth",
        title="Growth of the database",
        area="tables",
        unit="bytes",
        limits=_DECIDED,
        why="A full disk stops all writes.",
        next="Compare with the free space of the disk (df, or FreeStorageSpace on RDS), and see "
        "`vsl db sizes` for what grows.",
    ),
)

#: All checks of this file and of ``indexes`` and ``settings``.
STORAGE: tuple[Check, ...] = TABLES + INDEXES + SETTINGS
