"""``vsl db locks``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from tests.conftest import Connect
from tests.looks.conftest import Look
from tests.looks.filling import fill_jobs
from tests.schema.kit import Session
from tests.support.waiting import wait_until

from vsl.db.statements_looks import LockWait
from vsl.ops.sessions import LockNode, lock_tree

Seen = Callable[..., Any]


@contextmanager
def waiting(connection: Any, statement: str) -> Iterator[int]:
    """A statement that waits in the background until it is cancelled; its process."""

    def run() -> None:
        with pytest.raises(psycopg.Error):
            connection.execute(statement)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield connection.info.backend_pid
    finally:
        connection.cancel()
        thread.join(10)


def _blocked(seen: Seen, database: str, count: int) -> Any:
    """The tree, once so many wait."""

    def look() -> Any:
        roots = seen(database, "locks")["roots"]
        return roots if sum(_count(root) for root in roots) == count else None

    return wait_until(look, what=f"{count} to wait")


def _count(node: Any) -> int:
    return sum(1 + _count(waiter) for waiter in node["waiters"])


def test_nobody_waits(database: str, owner: Session, look: Look) -> None:
    owner.run("SELECT 1")
    done = look(database, "locks")
    assert (done.status, done.out.strip()) == (0, "Nobody waits for a lock.")


def test_a_queue_is_a_tree_from_its_root(
    database: str, owner: Session, connect: Connect, seen: Seen, look: Look
) -> None:
    fill_jobs(owner, 2)
    row = owner.value("SELECT id FROM jobs ORDER BY id LIMIT 1")
    holder = connect(database, autocommit=False, application_name="billing")
    holder.execute("UPDATE jobs SET metadata = '{}' WHERE id = %s", [row])
    update = f"UPDATE jobs SET metadata = '{{}}' WHERE id = '{row}'"  # noqa: S608
    with ExitStack() as stack:
        pids = []
        for number, (application, statement) in enumerate(
            [
                ("web", update),
                ("deploy", "ALTER TABLE jobs ADD COLUMN later int"),
                ("report", "SELECT count(*) FROM jobs"),
            ]
        ):
            session = connect(database, application_name=application)
            pids.append(stack.enter_context(waiting(session, statement)))
            (root,) = _blocked(seen, database, number + 1)
        web, deploy, report = pids
        assert root["pid"] == holder.info.backend_pid
        assert root["session"]["state"] == "idle in transaction"
        assert root["session"]["application"] == "billing"
        assert root["session"]["transaction_age"] > 0
        assert root["wait"] is None
        one, two = root["waiters"]
        assert (one["pid"], one["wait"]["object"]) == (web, "a row of public.jobs")
        assert (two["pid"], two["also"]) == (deploy, [web])
        assert (two["wait"]["mode"], two["wait"]["object"]) == (
            "AccessExclusiveLock",
            "public.jobs",
        )
        assert [waiter["pid"] for waiter in two["waiters"]] == [report]
        assert two["waiters"][0]["wait"]["waited"] >= 0
        said = look(database, "locks").out
    lines = said.splitlines()
    assert lines[1].startswith(f"{root['pid']} ")
    assert lines[2].startswith(f"  └ {web} ")
    assert lines[4].startswith(f"    └ {report} ")
    assert f"AccessExclusiveLock on public.jobs, and for {web}" in said
    assert f"3 sessions wait because of process {root['pid']}." in said
    assert f"next: vsl db kill {root['pid']}" in said
    assert "UPDATE" not in said


def test_advisory_locks_are_seen(database: str, connect: Connect, seen: Seen) -> None:
    holder, waiter = connect(database), connect(database)
    holder.execute("SELECT pg_advisory_lock(7, 8)")
    with waiting(waiter, "SELECT pg_advisory_lock(7, 8)") as pid:
        (root,) = _blocked(seen, database, 1)
        (waits,) = root["waiters"]
        assert (waits["pid"], waits["wait"]["object"]) == (pid, "advisory lock 7, 8")


def test_a_login_that_may_not_see_others_still_sees_who_waits(
    database: str, connect: Connect, seen: Seen, look: Look
) -> None:
    holder, waiter = connect(database, autocommit=False), connect(database)
    holder.execute("LOCK TABLE jobs")
    with waiting(waiter, "SELECT count(*) FROM jobs"):
        (root,) = _blocked(lambda url, *arguments: seen(url, *arguments, role="plain"), database, 1)
        assert root["pid"] == holder.info.backend_pid
        assert root["session"]["is_hidden"] is True
        assert "GRANT pg_read_all_stats TO plain;" in look(database, "locks", role="plain").out


def test_strong_locks_are_listed_when_asked_for(
    database: str, connect: Connect, seen: Seen, look: Look
) -> None:
    holder = connect(database, autocommit=False, application_name="deploy")
    holder.execute("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
    holder.execute("LOCK TABLE media_outputs IN ROW EXCLUSIVE MODE")
    assert "strong" not in seen(database, "locks")
    (lock,) = seen(database, "locks", "--all")["strong"]
    assert (lock["mode"], lock["object"]) == ("ShareRowExclusiveLock", "public.jobs")
    assert lock["session"]["application"] == "deploy"
    said = look(database, "locks", "--all").out
    assert "ShareRowExclusiveLock  public.jobs" in said
    holder.rollback()
    assert "Nobody has a strong lock on a table." in look(database, "locks", "--all").out


def test_a_prepared_transaction_is_named(
    odd_database: str, connect: Connect, seen: Seen, look: Look
) -> None:
    owner = connect(odd_database)
    owner.execute("BEGIN")
    owner.execute("LOCK TABLE jobs")
    owner.execute("PREPARE TRANSACTION 'it''s lost'")
    waiter = connect(odd_database)
    with waiting(waiter, "SELECT count(*) FROM jobs") as pid:
        (root,) = _blocked(seen, odd_database, 1)
        assert (root["pid"], root["waiters"][0]["pid"]) == (0, pid)
        said = look(odd_database, "locks", "--all").out
    assert said.splitlines()[1].startswith("prepared ")
    assert 'The prepared transaction "it\'s lost" of vsl is ' in said
    assert "next: ROLLBACK PREPARED 'it''s lost'; -- or COMMIT PREPARED, as its owner" in said
    owner.execute("ROLLBACK PREPARED 'it''s lost'")
    assert "Nobody waits" in look(odd_database, "locks").out


# The tree.


def _wait(pid: int, *blocked_by: int) -> LockWait:
    return LockWait(pid=pid, mode="m", object="o", waited=1.0, blocked_by=list(blocked_by))


def _shape(nodes: Sequence[LockNode]) -> Any:
    return {node.pid: _shape(node.waiters) for node in nodes}


def test_whom_most_wait_for_comes_first() -> None:
    roots = lock_tree([_wait(2, 1), _wait(4, 3), _wait(5, 4)], {})
    assert _shape(roots) == {3: {4: {5: {}}}, 1: {2: {}}}
    assert [root.pid for root in roots] == [3, 1]
    assert [root.count for root in roots] == [2, 1]


def test_who_waits_for_several_stands_below_one_that_does_not_wait() -> None:
    (root,) = lock_tree([_wait(2, 1), _wait(3, 2, 1, 1)], {})
    assert _shape([root]) == {1: {2: {}, 3: {}}}
    assert root.waiters[1].also == [2]


def test_a_deadlock_has_a_root_too() -> None:
    roots = lock_tree([_wait(1, 2), _wait(2, 1), _wait(3, 2)], {})
    assert _shape(roots) == {1: {2: {3: {}}}}
    assert roots[0].also == [2]


def test_helpers_of_one_statement_do_not_wait_for_themselves() -> None:
    assert lock_tree([_wait(1, 1)], {}) == []
    assert _shape(lock_tree([_wait(1, 1, 2)], {})) == {2: {1: {}}}
