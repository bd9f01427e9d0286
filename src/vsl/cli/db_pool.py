"""``vsl db pool``: the connection budget, and a PgBouncer configuration for it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from vsl.cli.assembly import addresses
from vsl.cli.output import JsonOption, Listing, print_json, say
from vsl.cli.stopping import run
from vsl.config import load
from vsl.db.files import database_dir
from vsl.db.pool import connect, is_pooled, libpq_variables
from vsl.db.statement import fetch_one
from vsl.db.statements_pool import DescribeCapacity
from vsl.errors import DatabaseError, InvalidInput, NotAllowed, Problem
from vsl.ops.pooling.budget import (
    MOST_CONNECTIONS,
    Budget,
    Capacity,
    Change,
    Item,
    Plan,
    changes,
    remarks,
)
from vsl.ops.pooling.pgbouncer import PgBouncer, ServerAddress, configuration, version_of

HELP = (
    "The connection budget, and a PgBouncer configuration for it. "
    "Alone it prints both, for one service and one worker. Nothing is changed."
)

#: More of anything is a slip of the finger.
_MOST = 100_000
_OLDEST = "1.18"
_AUTH_FILE = "/etc/pgbouncer/userlist.txt"


def _number(smallest: int, text: str, most: int = _MOST, shown: str | bool = True) -> Any:
    return typer.Option(min=smallest, max=most, metavar="N", help=text, show_default=shown)


Services = Annotated[int, _number(0, "Services: instances, containers, Lambdas at a time.")]
Processes = Annotated[int, _number(1, "Processes of each service.")]
ProcessPool = Annotated[int, _number(1, "Connections that each process may make.")]
Workers = Annotated[int, _number(0, "Processes of `vsl worker`.")]
WorkerConcurrency = Annotated[int, _number(1, "Jobs at a time of each worker.", most=1000)]
Migrations = Annotated[int, _number(0, "Direct connections of a migration.")]
Monitoring = Annotated[int, _number(0, "Direct connections of monitoring.")]
Backup = Annotated[int, _number(0, "Direct connections of a dump: its jobs and one.")]
Others = Annotated[int, _number(0, "Direct connections of anybody else, people for example.")]
Replicas = Annotated[int, _number(0, "Standbys and base backups.")]
Pooler = Annotated[
    bool, typer.Option("--pooler/--no-pooler", help="Services and workers go through a pooler.")
]
PoolSize = Annotated[
    int | None,
    _number(1, "Server connections for each pair.", shown="what fits, of 20 to 50"),
]
Pairs = Annotated[
    int, _number(1, "Pairs of login and database that go through the pooler; each has its pool.")
]
Cpus = Annotated[int | None, _number(1, "Processors of the database's server.", most=4096)]
MaxConnections = Annotated[
    int | None,
    _number(
        1,
        "Plan for a server that has so many and PostgreSQL's defaults, and ask none.",
        most=MOST_CONNECTIONS,
        shown="the live server's",
    ),
]
Clients = Annotated[int, _number(1, "Clients to allow (max_client_conn).")]
Version = Annotated[
    str, typer.Option("--pgbouncer-version", metavar="VERSION", help=f"{_OLDEST} or newer.")
]
ListenAddress = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Where PgBouncer listens; * is everywhere.")
]
ListenPort = Annotated[int, _number(1, "The port that PgBouncer listens on.", most=65535)]
AuthFile = Annotated[
    str, typer.Option(metavar="PATH", help="PgBouncer's list of logins and passwords.")
]
AuthQuery = Annotated[
    bool,
    typer.Option(
        "--auth-query/--no-auth-query",
        help="Ask the database for the hashes of passwords, or have all of them in that list.",
    ),
]
TlsKey = Annotated[
    str | None, typer.Option(metavar="PATH", help="Key to encrypt the clients' connections with.")
]
TlsCert = Annotated[str | None, typer.Option(metavar="PATH", help="The certificate of that key.")]


def pool(context: typer.Context, as_json: JsonOption = False) -> None:
    """Print both; see ``HELP``."""
    if context.invoked_subcommand is not None:
        return
    found, live = _budget(Plan(), None)
    # A budget that does not fit has no configuration.
    text = configuration(_pgbouncer(found, live)) if found.fits else None
    if as_json:
        print_json({**_described(found, live), "configuration": text})
    else:
        _show(found, live)
        if text is not None:
            say()
            say("A configuration for it; `vsl db pool config` prints it alone:", style="bold")
            say()
            say(text.rstrip(), whole=True)
    raise typer.Exit(0 if found.fits else 1)


def budget(
    services: Services = 1,
    processes: Processes = 2,
    process_pool: ProcessPool = 10,
    workers: Workers = 1,
    worker_concurrency: WorkerConcurrency = 4,
    pooler: Pooler = True,
    pool_size: PoolSize = None,
    pairs: Pairs = 2,
    migrations: Migrations = 2,
    monitoring: Monitoring = 2,
    backup: Backup = 2,
    others: Others = 3,
    replicas: Replicas = 0,
    cpus: Cpus = None,
    max_connections: MaxConnections = None,
    as_json: JsonOption = False,
) -> None:
    """Whether all connections fit the server, and what to change. The status is 1 if not."""
    plan = Plan(
        services=services,
        processes=processes,
        process_pool=process_pool,
        workers=workers,
        worker_concurrency=worker_concurrency,
        pooler=pooler,
        pool_size=pool_size or 0,
        pairs=pairs,
        migrations=migrations,
        monitoring=monitoring,
        backup=backup,
        others=others,
        replicas=replicas,
        cpus=cpus,
    )
    found, live = _budget(plan, max_connections)
    if as_json:
        print_json(_described(found, live))
    else:
        _show(found, live)
    raise typer.Exit(0 if found.fits else 1)


def config(
    pool_size: PoolSize = None,
    pairs: Pairs = 2,
    clients: Clients = 100,
    cpus: Cpus = None,
    max_connections: MaxConnections = None,
    pgbouncer_version: Version = _OLDEST,
    listen_address: ListenAddress = "127.0.0.1",
    listen_port: ListenPort = 6432,
    auth_file: AuthFile = _AUTH_FILE,
    auth_query: AuthQuery = True,
    tls_key: TlsKey = None,
    tls_cert: TlsCert = None,
    as_json: JsonOption = False,
) -> None:
    """A pgbouncer.ini for this database: transaction mode, no passwords, the reason of each line.

    The server's address is that of VSL_DIRECT_DATABASE_URL, else of DATABASE_URL.
    """
    plan = Plan(pool_size=pool_size or 0, pairs=pairs, cpus=cpus, ask_for_hashes=auth_query)
    found, live = _budget(plan, max_connections)
    if not found.fits:
        room = (
            f"the server has {found.capacity.usable} for everything, and this takes {found.total}"
        )
        hint = "`vsl db pool budget` shows all of it, and what to change."
        raise InvalidInput([Problem("the pools", f"do not fit: {room}")], hint=hint)
    wanted = replace(
        _pgbouncer(found, live),
        clients=clients,
        version=version_of(pgbouncer_version),
        listen_address=listen_address,
        listen_port=listen_port,
        auth_file=auth_file,
        tls_key=tls_key,
        tls_cert=tls_cert,
    )
    text = configuration(wanted)
    if as_json:
        print_json({"configuration": text, "settings": wanted})
    else:
        say(text.rstrip(), whole=True)


def auth_sql(as_json: JsonOption = False) -> None:
    """What a superuser runs in the database so that PgBouncer may ask it for passwords' hashes."""
    path = database_dir() / "pooling" / "pgbouncer_auth.sql"
    text = path.read_text(encoding="utf-8")
    if as_json:
        print_json({"sql": text})
    else:
        say(text.rstrip(), whole=True)


@dataclass(frozen=True, slots=True)
class _Live:
    """What the server was found to be. connected: clients now. pooled: reached through a pooler."""

    capacity: Capacity
    connected: int
    pooled: bool


def _budget(plan: Plan, max_connections: int | None) -> tuple[Budget, _Live | None]:
    """The budget of a plan, and the live server when it was asked."""
    if max_connections is not None:
        return Budget(plan, Capacity(max_connections=max_connections)), None
    live = run(_look(addresses(load()).direct_url))
    return Budget(plan, live.capacity), live


async def _look(url: str) -> _Live:
    async with connect(url, application="vsl cli") as connection:
        pooled = await is_pooled(connection)
        found = await fetch_one(connection, DescribeCapacity())
    if found is None:  # pragma: no cover - the statement always answers a row
        raise DatabaseError("the server did not say how many connections it has")
    capacity = Capacity(
        max_connections=found.max_connections,
        superuser_reserved=found.superuser_reserved,
        reserved=found.reserved,
        database=found.database,
        login=found.login,
        max_wal_senders=found.max_wal_senders,
    )
    return _Live(capacity, found.connected, pooled)


def _pgbouncer(found: Budget, live: _Live | None) -> PgBouncer:
    """The PgBouncer of a budget, in front of the database of the settings."""
    if live is not None and live.pooled:
        raise NotAllowed(
            "the database's address leads through a pooler already, not to the server itself",
            hint="Set VSL_DIRECT_DATABASE_URL to the server's own address.",
        )
    parts = libpq_variables(addresses(load()).direct_url)
    port = parts.get("PGPORT", "5432")
    if not port.isdecimal():
        raise InvalidInput([Problem("the server's address", "names several hosts", "one")])
    server = ServerAddress(
        host=parts.get("PGHOSTADDR") or parts.get("PGHOST") or "127.0.0.1",
        port=int(port),
        database=parts.get("PGDATABASE") or parts.get("PGUSER") or "postgres",
        tls=parts.get("PGSSLMODE", "prefer"),
        ca_file=parts.get("PGSSLROOTCERT"),
    )
    return PgBouncer(
        server=server,
        pool_size=found.pool_size,
        pairs=found.plan.pairs,
        clients=found.max_client_conn,
        ask_for_hashes=found.plan.ask_for_hashes,
    )


def _described(found: Budget, live: _Live | None) -> dict[str, Any]:
    return {
        "fits": found.fits,
        "total": found.total,
        "usable": found.capacity.usable,
        "spare": found.spare,
        "connected": live.connected if live else None,
        "pool_size": found.pool_size or None,
        "max_client_conn": found.max_client_conn if found.plan.pooler else None,
        "items": found.items,
        "clients_of_the_pooler": found.clients if found.plan.pooler else [],
        "capacity": found.capacity,
        "changes": changes(found),
        "remarks": remarks(found),
    }


def _show(found: Budget, live: _Live | None) -> None:
    plan = found.plan
    if plan.pooler:
        _list("Clients of the pooler", found.clients, sum(i.connections for i in found.clients))
    _list("Connections to the server", found.items, found.total)
    say()
    say(_room(found.capacity, live))
    if found.fits:
        say(f"It fits, with {found.spare} to spare.", style="green")
    else:
        say(f"It does not fit: {_missing(found)}.", style="red")
        _list_changes(changes(found))
    for remark in remarks(found):
        say(remark, style="yellow")
    if plan.pooler and found.fits:
        words = ["vsl", "db", "pool", "config"]
        words += ["--pool-size", str(found.pool_size), "--pairs", str(plan.pairs)]
        words += ["--clients", str(found.max_client_conn)]
        say(f"Its PgBouncer: `{shlex.join(words)}`")


def _list(title: str, items: tuple[Item, ...], total: int) -> None:
    made = Listing(("for", "connections", "how"), right=("connections",), title=title)
    for item in items:
        made.add(item.name, str(item.connections), item.reckoning)
    made.add("together", str(total), "")
    made.show()


def _room(capacity: Capacity, live: _Live | None) -> str:
    kept = capacity.superuser_reserved + capacity.reserved
    said = f"The server has room for {capacity.usable}: max_connections {capacity.max_connections}"
    said += f" less {kept} reserved"
    if capacity.database is not None:
        said += f", and {capacity.database} for this database"
    return said + (f"; {live.connected} are in use now." if live else ".")


def _missing(found: Budget) -> str:
    if found.spare < 0:
        return f"{-found.spare} too many"
    return "nothing is left for the pooler"


def _list_changes(found: list[Change]) -> None:
    if not found:
        say("No single number would make it fit; change several.")
        return
    made = Listing(("any one of these makes it fit", "now", "to", ""), right=("now", "to"))
    for change in found:
        made.add(change.option, str(change.now), str(change.to), change.what)
    made.show()


#: What ``vsl db pool`` does by itself, and the verbs below it.
DEFAULT: Callable[..., Any] = pool
BELOW: Mapping[str, Callable[..., Any]] = {
    "budget": budget,
    "config": config,
    "auth-sql": auth_sql,
}
