"""``vsl db``: looks at the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer

from vsl.cli.output import JsonOption, Listing, moment, plain, print_json, say
from vsl.cli.remarks import (
    NONE,
    AllSchemasOption,
    LimitOption,
    bytes_text,
    count_text,
    left_out,
    reached,
    say_remarks,
    seconds_text,
    share_text,
)
from vsl.cli.stopping import run
from vsl.db.slow import SORTS
from vsl.ops.bloat import BloatLook, TableBloat, look_at_bloat, old_holders, remarks_on_bloat
from vsl.ops.looks import (
    Indexes,
    Sizes,
    look_at_indexes,
    look_at_sizes,
    remarks_on_indexes,
    remarks_on_sizes,
)
from vsl.ops.sessions import LockNode, Locks, look_at_locks, remarks_on_locks
from vsl.ops.slow import Slow, is_withheld, log_rights, log_setting, look_at_slow, remarks_on_slow

#: Characters of a statement or a purpose that a table shows; --json has all.
TEXT_SHOWN = 70


def sizes(
    limit: LimitOption = 50, all_schemas: AllSchemasOption = False, as_json: JsonOption = False
) -> None:
    """How large each table is, by its parts, and how much it has grown."""

    async def work() -> Sizes:
        async with reached() as connection:
            return await look_at_sizes(connection, all_schemas=all_schemas)

    found = run(work())
    remarks = remarks_on_sizes(found)
    if as_json:
        tables = [
            {**plain(t), "share": found.share(t), "growth": found.growth_of(t)}
            for t in found.tables[:limit]
        ]
        facts = {
            "database": {
                "name": found.database.name,
                "bytes": found.database.bytes,
                "growth": found.database_growth,
            },
            "grown_since": found.grown_since,
            "exact": found.exact,
        }
        print_json({**facts, "tables": tables, "remarks": remarks})
        return
    right = ("rows", "heap", "indexes", "TOAST", "total", "share", "growth")
    made = Listing(("table", *right), right, spare=("growth", "heap", "TOAST", "indexes"))
    for table in found.tables[:limit]:
        made.add(
            f"{table.schema}.{table.name}",
            count_text(table.rows),
            bytes_text(table.heap),
            bytes_text(table.indexes),
            bytes_text(table.toast),
            bytes_text(table.total),
            share_text(found.share(table)),
            _growth(found.growth_of(table)),
        )
    made.show()
    left_out(limit, len(found.tables))
    grown = found.database_growth
    since = f", {_growth(grown)} since {moment(found.grown_since)}" if grown is not None else ""
    say(f"Database {found.database.name}: {bytes_text(found.database.bytes)}{since}.")
    say_remarks(remarks)


def _growth(count: int | None) -> str:
    if count is None:
        return NONE
    return f"{'-' if count < 0 else '+'}{bytes_text(abs(count))}"


def indexes(
    limit: LimitOption = 50, all_schemas: AllSchemasOption = False, as_json: JsonOption = False
) -> None:
    """How often each index was used, the least used first, and what it is for."""

    async def work() -> Indexes:
        async with reached() as connection:
            return await look_at_indexes(connection, all_schemas=all_schemas)

    found = run(work())
    remarks = remarks_on_indexes(found)
    since = found.database.counted_since
    if as_json:
        rows = [{**plain(i), "serves": found.purpose(i)} for i in found.indexes[:limit]]
        facts = {"counted_since": since, "exact": found.exact}
        print_json({**facts, "indexes": rows, "remarks": remarks})
        return
    made = Listing(
        ("table", "index", "scans", "size", "kind", "serves"),
        ("scans", "size"),
        spare=("serves", "table"),
    )
    for index in found.indexes[:limit]:
        kind = "primary" if index.is_primary else "unique" if index.is_unique else ""
        if not index.is_valid:
            kind = "being built" if index.is_being_built else "INVALID"
        made.add(
            f"{index.schema}.{index.table_name}",
            index.name,
            count_text(index.scans),
            bytes_text(index.bytes),
            kind,
            _short(found.purpose(index) or ""),
        )
    made.show()
    left_out(limit, len(found.indexes))
    if since is None:
        say("Since when scans are counted is not known, so none is no proof of no use.")
    else:
        say(f"Scans are counted since {moment(since)}.")
    say_remarks(remarks)


def slow(
    sort: Annotated[
        str, typer.Option(metavar="BY", help=f"What comes first: {', '.join(SORTS)}.")
    ] = "mean",
    limit: LimitOption = 10,
    all_databases: Annotated[
        bool, typer.Option("--all-databases", help="Statements of all databases of the server.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """The slowest statements, by pg_stat_statements; how to enable it where it is not.

    Constants are not shown. The status is 1 when there is nothing to see them by.
    """

    async def work() -> Slow:
        async with reached() as connection:
            return await look_at_slow(
                connection, sort=sort, count=limit, all_databases=all_databases
            )

    found = run(work())
    if as_json:
        print_json(
            {
                "available": not found.missing,
                "statements": found.statements,
                "log_min_duration_statement": found.log.logged_from,
                "missing": found.missing,
                "remarks": [] if found.missing else remarks_on_slow(found),
                "logging": log_rights(found.log),
            }
        )
    elif found.missing:
        say("Slow statements cannot be seen yet, for want of pg_stat_statements.")
        say_remarks(found.missing)
        say()
        say(log_setting(found.log))
        say_remarks([log_rights(found.log)])
    else:
        _slow(found)
    raise typer.Exit(1 if found.missing else 0)


def _slow(found: Slow) -> None:
    right = ("mean", "calls", "total", "share", "rows", "cached")
    made = Listing((*right, "statement"), right, spare=("rows", "cached", "total"))
    for one in found.statements:
        made.add(
            _milliseconds(one.mean),
            count_text(one.calls),
            seconds_text((one.total or 0) / 1000),
            share_text(one.share),
            count_text(one.rows),
            share_text(one.cached),
            "(hidden)" if is_withheld(one) else _short(one.query or ""),
        )
    made.show()
    say(log_setting(found.log))
    say_remarks(remarks_on_slow(found))


def _milliseconds(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.2g} ms"


def bloat(
    limit: LimitOption = 50, all_schemas: AllSchemasOption = False, as_json: JsonOption = False
) -> None:
    """Dead rows, when autovacuum comes for them, and how much of each table is empty.

    What is empty is an estimate from statistics; of TOAST tables, at least so much.
    """

    async def work() -> BloatLook:
        async with reached() as connection:
            return await look_at_bloat(connection, all_schemas=all_schemas)

    found = run(work())
    remarks = remarks_on_bloat(found)
    if as_json:
        print_json(
            {
                "tables": [_bloat_document(table) for table in found.tables[:limit]],
                "indexes": found.indexes,
                "holders": found.holders,
                "unknown": found.unknown,
                "remarks": remarks,
            }
        )
        return
    right = ("live", "dead", "share", "vacuum at", "empty", "TOAST empty", "indexes empty")
    made = Listing(
        ("table", *right, "last vacuum"),
        right,
        spare=("last vacuum", "TOAST empty", "indexes empty", "vacuum at"),
    )
    for table in found.tables[:limit]:
        made.add(
            f"{table.dead.schema}.{table.dead.name}",
            count_text(table.dead.live),
            count_text(table.dead.dead),
            share_text(table.dead_share),
            count_text(table.dead.dead_for_autovacuum) if table.dead.is_autovacuumed else "never",
            _about(table.empty, "~"),
            _about(table.toast_empty, "≥"),
            _about(table.index_empty, "~"),
            _last_vacuum(table),
        )
    made.show()
    left_out(limit, len(found.tables))
    say("Autovacuum comes when more than 'vacuum at' rows are dead. What is empty is an estimate.")
    holders = old_holders(found.holders)
    if holders:
        _holders(found)
    say_remarks(remarks)


def _bloat_document(table: TableBloat) -> dict[str, Any]:
    return {
        **plain(table.dead),
        "dead_share": table.dead_share,
        "autovacuum_is_due": table.is_due,
        "bytes": table.bytes,
        "empty_estimate": table.empty,
        "toast_empty_at_least": table.toast_empty,
        "index_bytes": table.index_bytes,
        "index_empty_estimate": table.index_empty,
    }


def _about(count: int | None, sign: str) -> str:
    return NONE if count is None else f"{sign}{bytes_text(count)}" if count else bytes_text(0)


def _last_vacuum(table: TableBloat) -> str:
    if table.dead.is_being_vacuumed:
        return "now"
    own, auto = table.dead.last_vacuum, table.dead.last_autovacuum
    if own is None or (auto is not None and auto > own):
        return NONE if auto is None else f"{moment(auto)} (auto)"
    return moment(own)


def _holders(found: BloatLook) -> None:
    made = Listing(
        ("process", "what", "user", "application", "state", "transactions", "age"),
        ("transactions", "age"),
        spare=("user", "state"),
        title="Who keeps dead rows",
    )
    for holder in found.holders[:10]:
        made.add(
            NONE if holder.pid is None else str(holder.pid),
            f"{holder.kind} {holder.name or ''}".strip(),
            holder.user_name or NONE,
            holder.application or NONE,
            holder.state or NONE,
            count_text(holder.transactions),
            seconds_text(holder.age),
        )
    made.show()


def locks(
    every: Annotated[
        bool, typer.Option("--all", help="Also the strong locks that nobody waits for.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Who waits for whom: those in the way first, and below each who waits for it."""

    async def work() -> Locks:
        async with reached() as connection:
            return await look_at_locks(connection)

    found = run(work())
    remarks = remarks_on_locks(found)
    if as_json:
        document = {
            "roots": [_node_document(root) for root in found.roots],
            "prepared": found.prepared,
            "remarks": remarks,
        }
        print_json({**document, **({"strong": _strong(found)} if every else {})})
        return
    if found.roots:
        _tree(found)
    if every:
        _strong_locks(found)
    say_remarks(remarks)


def _tree(found: Locks) -> None:
    made = Listing(
        ("process", "user", "application", "state", "transaction", "waits for", "since"),
        ("transaction", "since"),
        spare=("state", "transaction", "user"),
    )
    for root in found.roots:
        for depth, node in _walk(root, 0):
            who = node.session
            wait = node.wait
            also = f", and for {', '.join(map(str, node.also))}" if node.also else ""
            made.add(
                "  " * depth + ("└ " if depth else "") + _process(node),
                (who and who.user_name) or NONE,
                (who and who.application) or (who and who.kind) or NONE,
                (who and (who.state or who.kind)) or NONE,
                seconds_text(who.transaction_age if who else None),
                "" if wait is None else f"{wait.mode} on {wait.object}{also}",
                "" if wait is None else seconds_text(wait.waited),
            )
    made.show()


def _process(node: LockNode) -> str:
    return "prepared" if node.pid == 0 else str(node.pid)


def _walk(node: LockNode, depth: int) -> Iterator[tuple[int, LockNode]]:
    yield depth, node
    for waiter in node.waiters:
        yield from _walk(waiter, depth + 1)


def _node_document(node: LockNode) -> dict[str, Any]:
    return {
        "pid": node.pid,
        "session": node.session,
        "wait": node.wait,
        "also": node.also,
        "waiters": [_node_document(waiter) for waiter in node.waiters],
    }


def _strong(found: Locks) -> list[dict[str, Any]]:
    return [
        {**plain(lock), "session": found.sessions.get(lock.pid) if lock.pid else None}
        for lock in found.strong
    ]


def _strong_locks(found: Locks) -> None:
    made = Listing(
        ("process", "user", "application", "state", "transaction", "mode", "table"),
        ("transaction",),
        spare=("user", "state"),
        title="Strong locks on tables",
    )
    for lock in found.strong:
        who = found.sessions.get(lock.pid) if lock.pid else None
        made.add(
            "prepared" if lock.pid is None else str(lock.pid),
            (who and who.user_name) or NONE,
            (who and (who.application or who.kind)) or NONE,
            (who and who.state) or NONE,
            seconds_text(who.transaction_age if who else None),
            lock.mode,
            lock.object,
        )
    if found.strong:
        made.show()
    else:
        say("Nobody has a strong lock on a table.")


def _short(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1].rstrip() + "…"


#: The verbs of this file, by name.
VERBS: Mapping[str, Callable[..., Any]] = {
    "sizes": sizes,
    "indexes": indexes,
    "slow": slow,
    "bloat": bloat,
    "locks": locks,
}
