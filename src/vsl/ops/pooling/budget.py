"""The connection budget: what the parts of an installation take, and what the server has. Pure.

The rule, for everything that may be connected at the same time:

    Σ (processes × their pool) + LISTEN connections + migrations + monitoring + backup + others
        ≤ max_connections - superuser_reserved_connections - reserved_connections

Behind a pooler the first term is the pooler's: its size × pairs of user and database. Replicas
and base backups do not count: since PostgreSQL 12 they have places of their own, max_wal_senders.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from vsl.db.pool import connections_for
from vsl.ops.pooling.pgbouncer import FOR_AUTH_QUERY

#: The seed's "Pool size: 20-50 connections".
SMALLEST, LARGEST = 20, 50
#: What a server can work at, per processor: beyond it, connections only wait for each other.
PER_CPU = (2, 4)
#: The highest max_connections that PostgreSQL takes.
MOST_CONNECTIONS = 262_143
_OF_THE_SERVER = (
    ("max_connections", "max_connections", "the server's connections; needs a restart"),
    ("database", "CONNECTION LIMIT", "the connections of this database (ALTER DATABASE)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the server has. The defaults are PostgreSQL's own.

    reserved: for pg_use_reserved_connections, and for the administrator of RDS. database: the
    limit of this database alone, or None. login: the lowest limit of any login, or None.
    """

    max_connections: int = 100
    superuser_reserved: int = 3
    reserved: int = 0
    database: int | None = None
    login: int | None = None
    max_wal_senders: int = 10

    @property
    def usable(self) -> int:
        """Connections that an application can have."""
        free = max(self.max_connections - self.superuser_reserved - self.reserved, 0)
        return free if self.database is None else min(free, self.database)


def _number(smallest: int, option: str, what: str, default: int) -> int:
    """A number of a plan that can be changed to make the plan fit."""
    metadata = {"smallest": smallest, "option": option, "what": what}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be connected.

    pooler: whether services and workers go through one. pool_size: its server connections per
    pair; 0 takes what fits. cpus: the server's processors, or None. ask_for_hashes: whether the
    pooler asks the database for the hashes of passwords. replicas: standbys and base backups.
    """

    services: int = _number(1, "--services", "services", 1)
    processes: int = _number(1, "--processes", "processes of each service", 2)
    process_pool: int = _number(1, "--process-pool", "connections of each process", 10)
    workers: int = _number(1, "--workers", "workers", 1)
    worker_concurrency: int = _number(1, "--worker-concurrency", "jobs at a time of a worker", 4)
    pooler: bool = True
    pairs: int = _number(1, "--pairs", "pairs of user and database", 2)
    pool_size: int = _number(1, "--pool-size", "server connections of each pair", 0)
    ask_for_hashes: bool = True
    cpus: int | None = None
    migrations: int = 2
    monitoring: int = 2
    backup: int = 2
    others: int = 3
    replicas: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the budget. reckoning: how the number comes about."""

    name: str
    connections: int
    reckoning: str


@dataclass(frozen=True, slots=True)
class Change:
    """One number that alone would make the plan fit: as far as it must go, and no further."""

    option: str
    what: str
    now: int
    to: int


@dataclass(frozen=True)
class Budget:
    """A plan on a server."""

    plan: Plan
    capacity: Capacity

    @cached_property
    def pool_size(self) -> int:
        """Server connections for each pair: as planned, or as many of 20 to 50 as fit.

        0 when there is no pooler, or no room for one.
        """
        plan = self.plan
        if not plan.pooler:
            return 0
        if plan.pool_size:
            return plan.pool_size
        # Four for each processor, shared by the pairs, within the seed's range.
        wanted = min(max(PER_CPU[1] * (plan.cpus or 0) // plan.pairs, SMALLEST), LARGEST)
        if self.capacity.login is not None:
            wanted = min(wanted, self.capacity.login)
        room = self.capacity.usable - self._beside_the_pools()
        return max(min(wanted, room // plan.pairs), 0)

    @property
    def clients(self) -> tuple[Item, ...]:
        """Services and workers, which a pooler can serve."""
        return tuple(_clients(self.plan))

    @property
    def items(self) -> tuple[Item, ...]:
        """What is connected to the server."""
        return tuple(self._items())

    @property
    def total(self) -> int:
        """Connections to the server, if all are used."""
        return sum(item.connections for item in self.items)

    @property
    def spare(self) -> int:
        """Connections that are left; below 0 those that are missing."""
        return self.capacity.usable - self.total

    @property
    def fits(self) -> bool:
        """Whether everything has its connection."""
        return self.spare >= 0 and (self.pool_size > 0 or not self.plan.pooler)

    @property
    def max_client_conn(self) -> int:
        """Clients for the pooler to allow: twice the plan, so that a restart of all of them fits.

        Rounded up to whole hundreds.
        """
        planned = sum(item.connections for item in self.clients)
        return max(-(-2 * planned // 100) * 100, 100)

    def _items(self) -> Iterator[Item]:
        plan = self.plan
        if plan.pooler:
            size = self.pool_size
            reckoning = f"{_count(plan.pairs, 'pair')} of user and database × {size}"
            yield Item("pooler", plan.pairs * size, reckoning)
            if plan.ask_for_hashes:
                yield Item("pooler, for passwords", FOR_AUTH_QUERY, "auth_query")
        else:
            yield from self.clients
        yield from _direct(plan)

    def _beside_the_pools(self) -> int:
        auth = FOR_AUTH_QUERY if self.plan.ask_for_hashes else 0
        return auth + sum(item.connections for item in _direct(self.plan))


def _clients(plan: Plan) -> Iterator[Item]:
    yield Item(
        "services",
        plan.services * plan.processes * plan.process_pool,
        f"{_count(plan.services, 'service')} × {_count(plan.processes, 'process', 'processes')} "
        f"× {plan.process_pool}",
    )
    each = connections_for(plan.worker_concurrency)
    jobs = _count(plan.worker_concurrency, "job")
    reckoning = f"{_count(plan.workers, 'worker')} × {each}, for {jobs} at a time"
    yield Item("workers", plan.workers * each, reckoning)


def _direct(plan: Plan) -> Iterator[Item]:
    yield Item("workers, to be woken", plan.workers, "LISTEN, on the direct address")
    yield Item("migrations", plan.migrations, "on the direct address")
    yield Item("monitoring", plan.monitoring, "doctor, metrics")
    yield Item("backup", plan.backup, "pg_dump")
    yield Item("others", plan.others, "people, psql")


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def changes(budget: Budget) -> list[Change]:
    """What would make a plan fit that does not: each alone is enough."""
    if budget.fits:
        return []
    found = []
    for number in fields(Plan):
        if not number.metadata:
            continue
        now = getattr(budget.plan, number.name)
        to = _largest(budget, number.name, number.metadata["smallest"], now)
        if to is not None:
            found.append(Change(number.metadata["option"], number.metadata["what"], now, to))
    found += _more(budget)
    return found


def _largest(budget: Budget, name: str, smallest: int, now: int) -> int | None:
    """The largest value of a number, up to what it is now, with which the plan fits."""

    def too_much(value: int) -> bool:
        plan = replace(budget.plan, **{name: value})  # type: ignore[arg-type]
        return not Budget(plan, budget.capacity).fits

    count = _first(too_much, smallest, now + 1) - smallest
    return smallest + count - 1 if count > 0 else None


def _more(budget: Budget) -> Iterator[Change]:
    """What the server would need to have for the plan, where one number of it is enough."""
    for name, option, what in _OF_THE_SERVER:
        now = getattr(budget.capacity, name)
        if now is None:
            continue

        def enough(value: int, name: str = name) -> bool:
            capacity = replace(budget.capacity, **{name: value})
            return Budget(budget.plan, capacity).fits

        to = _first(enough, now, MOST_CONNECTIONS + 1)
        if to <= MOST_CONNECTIONS:
            yield Change(option, what, now, to)


def _first(holds: Callable[[int], bool], start: int, end: int) -> int:
    """The first number of a range for which something holds that goes on holding; else its end."""
    return bisect_right(range(start, end), 0, key=lambda value: int(holds(value))) + start


def remarks(budget: Budget) -> list[str]:
    """What the reader should know of a budget beside whether it fits."""
    plan, capacity, size = budget.plan, budget.capacity, budget.pool_size
    found = []
    if plan.pooler and 0 < size < SMALLEST:
        found.append(
            f"The pool size is {size}; {SMALLEST} to {LARGEST} are usual. More needs room: fewer "
            "pairs of user and database, or more max_connections."
        )
    if size > LARGEST:
        found.append(f"The pool size is {size}; {SMALLEST} to {LARGEST} are usual.")
    if plan.pooler and capacity.login is not None and size > capacity.login:
        found.append(
            f"A login of this server may have {capacity.login} connections (CONNECTION LIMIT), "
            f"fewer than its pool of {size}."
        )
    if plan.pooler and plan.cpus is not None and size * plan.pairs > PER_CPU[1] * plan.cpus:
        low, high = (factor * plan.cpus for factor in PER_CPU)
        found.append(
            f"A server of {_count(plan.cpus, 'processor')} works at {low} to {high} statements at "
            f"a time; with {size * plan.pairs} connections busy the others wait in the server "
            "rather than in the pooler."
        )
    if capacity.database is not None and capacity.usable == capacity.database:
        found.append("The database's own CONNECTION LIMIT is what counts here.")
    if plan.replicas > capacity.max_wal_senders:
        found.append(
            f"{_count(plan.replicas, 'replica')} and base backups need as many places of "
            f"max_wal_senders, which is {capacity.max_wal_senders}."
        )
    return found
