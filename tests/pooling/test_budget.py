"""The connection budget: pure, so any plan on any server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.db.pool import connections_for
from vsl.ops.pooling.budget import (
    LARGEST,
    SMALLEST,
    Budget,
    Capacity,
    Plan,
    changes,
    remarks,
)

few = st.integers(0, 60)
some = st.integers(1, 60)

plans = st.builds(
    Plan,
    services=few,
    processes=some,
    process_pool=some,
    workers=few,
    worker_concurrency=some,
    pooler=st.booleans(),
    pairs=st.integers(1, 12),
    pool_size=st.integers(0, 60),
    ask_for_hashes=st.booleans(),
    cpus=st.none() | st.integers(1, 64),
    migrations=few,
    monitoring=few,
    backup=few,
    others=few,
    replicas=few,
)
capacities = st.builds(
    Capacity,
    max_connections=st.integers(1, 2000),
    superuser_reserved=st.integers(0, 10),
    reserved=st.integers(0, 10),
    database=st.none() | st.integers(0, 500),
    login=st.none() | st.integers(0, 60),
    max_wal_senders=st.integers(0, 20),
)
budgets = st.builds(Budget, plans, capacities)


@given(budgets)
def test_what_fits_never_takes_more_than_there_is(budget: Budget) -> None:
    capacity = budget.capacity
    assert budget.total == sum(item.connections for item in budget.items)
    if budget.fits:
        free = capacity.max_connections - capacity.superuser_reserved - capacity.reserved
        assert budget.total <= free
        assert capacity.database is None or budget.total <= capacity.database
        assert budget.spare >= 0
        assert not changes(budget)


@given(budgets)
def test_a_pool_that_is_chosen_stays_in_the_range_and_fits_whenever_one_can(
    budget: Budget,
) -> None:
    plan = replace(budget.plan, pooler=True, pool_size=0)
    chosen = Budget(plan, budget.capacity)
    assert 0 <= chosen.pool_size <= LARGEST
    one = Budget(replace(plan, pool_size=1), budget.capacity)
    with_login = budget.capacity.login
    assert chosen.fits == (one.fits and with_login != 0)
    if 0 < chosen.pool_size < SMALLEST and with_login is None:
        # Nothing was left lying about.
        assert chosen.spare < plan.pairs


@given(budgets, st.integers(1, 100))
def test_more_room_never_harms(budget: Budget, more: int) -> None:
    capacity = budget.capacity
    larger = replace(capacity, max_connections=capacity.max_connections + more)
    other = Budget(budget.plan, larger)
    assert other.pool_size >= budget.pool_size
    assert other.fits >= budget.fits


@pytest.mark.parametrize(
    "name",
    [
        "services",
        "processes",
        "process_pool",
        "workers",
        "worker_concurrency",
        "pairs",
        "migrations",
        "monitoring",
        "backup",
        "others",
    ],
)
@given(budget=budgets, more=st.integers(1, 50))
def test_more_to_connect_never_fits_better(name: str, budget: Budget, more: int) -> None:
    changed: dict[str, Any] = {name: getattr(budget.plan, name) + more}
    plan = replace(budget.plan, **changed)
    other = Budget(plan, budget.capacity)
    assert other.pool_size <= budget.pool_size
    assert other.fits <= budget.fits
    if plan.pool_size or not plan.pooler:
        assert other.total >= budget.total
        assert other.spare <= budget.spare


FIELDS = {
    "--services": "services",
    "--processes": "processes",
    "--process-pool": "process_pool",
    "--workers": "workers",
    "--worker-concurrency": "worker_concurrency",
    "--pairs": "pairs",
    "--pool-size": "pool_size",
}
OF_THE_SERVER = {"max_connections": "max_connections", "CONNECTION LIMIT": "database"}


@given(budgets)
def test_each_change_alone_is_enough_and_not_more_than_enough(budget: Budget) -> None:
    for change in changes(budget):
        if change.option in FIELDS:
            name, less_change = FIELDS[change.option], change.to + 1
            assert getattr(budget.plan, name) == change.now > change.to >= 1

            def changed(value: Any, name: str = name) -> Budget:
                plan = replace(budget.plan, **{name: value})
                return Budget(plan, budget.capacity)

        else:
            name, less_change = OF_THE_SERVER[change.option], change.to - 1
            assert getattr(budget.capacity, name) == change.now < change.to

            def changed(value: Any, name: str = name) -> Budget:
                return Budget(budget.plan, replace(budget.capacity, **{name: value}))

        assert changed(change.to).fits
        assert not changed(less_change).fits


def test_the_seeds_pool_on_a_default_server() -> None:
    budget = Budget(Plan(), Capacity())
    assert (budget.pool_size, budget.fits) == (20, True)
    # 2 pairs × 20, 2 to ask for passwords, LISTEN, migrations, monitoring, backup, people.
    assert budget.total == 40 + 2 + 1 + 2 + 2 + 2 + 3
    assert budget.spare == 97 - budget.total


@pytest.mark.parametrize(
    ("cpus", "pairs", "size"),
    [(None, 2, 20), (1, 2, 20), (10, 2, 20), (16, 2, 32), (12, 1, 48), (64, 2, 50)],
)
def test_the_pool_grows_with_the_processors_within_the_seeds_range(
    cpus: int | None, pairs: int, size: int
) -> None:
    budget = Budget(Plan(cpus=cpus, pairs=pairs), Capacity(max_connections=1000))
    assert budget.pool_size == size


def test_without_a_pooler_services_and_workers_are_connected_themselves() -> None:
    plan = Plan(pooler=False, services=3, processes=4, process_pool=5, workers=2)
    budget = Budget(plan, Capacity())
    assert [item.connections for item in budget.items[:2]] == [60, 2 * connections_for(4)]
    assert budget.pool_size == 0
    assert budget.fits
    assert not Budget(replace(plan, services=5), Capacity()).fits


def test_clients_have_room_to_start_again() -> None:
    for services in range(1, 200, 7):
        budget = Budget(Plan(services=services), Capacity())
        planned = sum(item.connections for item in budget.clients)
        assert 2 * planned <= budget.max_client_conn < 2 * planned + 100
        assert budget.max_client_conn % 100 == 0


@pytest.mark.parametrize(
    ("plan", "capacity", "words"),
    [
        (Plan(), Capacity(max_connections=40), "The pool size is 12; 20 to 50 are usual. More"),
        (Plan(pool_size=80), Capacity(max_connections=900), "The pool size is 80"),
        (Plan(pool_size=20), Capacity(login=10), "may have 10 connections (CONNECTION LIMIT)"),
        (Plan(cpus=2), Capacity(), "A server of 2 processors works at 4 to 8 statements"),
        (Plan(), Capacity(database=60), "The database's own CONNECTION LIMIT"),
        (Plan(replicas=11), Capacity(), "11 replicas and base backups"),
    ],
)
def test_what_a_reader_should_know(plan: Plan, capacity: Capacity, words: str) -> None:
    assert [remark for remark in remarks(Budget(plan, capacity)) if words in remark]


def test_nothing_is_remarked_on_what_is_usual() -> None:
    assert remarks(Budget(Plan(cpus=16), Capacity(max_connections=300))) == []


def test_a_limit_of_the_logins_is_kept_when_the_size_is_chosen() -> None:
    assert Budget(Plan(), Capacity(login=15)).pool_size == 15
