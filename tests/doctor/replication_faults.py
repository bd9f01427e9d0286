"""Faults of slots, replicas and archiving, and what only looks like one."""

from __future__ import annotations

import struct

import psycopg
from tests.doctor.kit import Calm, Fault, Stage
from tests.doctor.session_faults import slot_with_catalogue
from tests.support.servers import database_name
from tests.support.waiting import wait_until

from vsl.ops.doctor.check import Level


def write_wal(stage: Stage, megabytes: int) -> None:
    session = stage.session()
    for _ in range(megabytes):
        session.run("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1024 * 1024))")


def unused_slot(stage: Stage) -> str:
    slot = f"unused_{database_name(stage.url)}"
    session = stage.session()
    session.run(f"SELECT pg_create_physical_replication_slot('{slot}', true)")
    stage.later(lambda: session.run(f"SELECT pg_drop_replication_slot('{slot}')"))
    return slot


def slot_that_keeps_wal(stage: Stage) -> None:
    unused_slot(stage)
    write_wal(stage, 5)


def lost_slot(stage: Stage) -> None:
    slot = unused_slot(stage)
    session = stage.session()
    set_for_now(stage, "max_slot_wal_keep_size", "16MB")
    for _ in range(5):
        write_wal(stage, 15)
        session.run("SELECT pg_switch_wal()")
    session.run("CHECKPOINT")
    status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s"
    wait_until(lambda: session.value(status, slot) == "lost")


def set_for_now(stage: Stage, name: str, value: str) -> None:
    """Change a setting of the server until the test ends."""
    session = stage.session()

    def put(statement: str, wanted: str | None) -> None:
        session.run(statement)
        session.run("SELECT pg_reload_conf()")
        looker = stage.session()
        if wanted is not None:
            shown = f"SELECT current_setting('{name}')"
            wait_until(lambda: looker.value(shown) == wanted)

    before = session.value(f"SELECT current_setting('{name}')")
    stage.later(lambda: put(f"ALTER SYSTEM RESET {name}", before))
    put(f"ALTER SYSTEM SET {name} = '{value}'", value)


class Standby:
    """What receives WAL as a standby does, and confirms what it is told to."""

    def __init__(self, stage: Stage) -> None:
        self.connection = psycopg.connect(
            stage.url, autocommit=True, replication="database", application_name="standby"
        )
        stage.later(self.connection.close)
        server = self.connection.pgconn
        (row,) = self.connection.execute("IDENTIFY_SYSTEM").fetchall()
        self.position = row[2]
        answer = server.exec_(f"START_REPLICATION PHYSICAL {self.position}".encode())
        assert answer.status == psycopg.pq.ExecStatus.COPY_BOTH, answer.error_message

    def confirm(self, position: str) -> None:
        """Say that everything up to here was replayed."""
        high, low = (int(part, 16) for part in position.split("/"))
        number = (high << 32) + low
        self.connection.pgconn.put_copy_data(
            b"r" + struct.pack("!QQQqB", number, number, number, 0, 0)
        )
        self.connection.pgconn.flush()


def replica_behind(stage: Stage) -> None:
    standby = Standby(stage)
    standby.confirm(standby.position)
    write_wal(stage, 66)
    session = stage.session()
    wait_until(
        lambda: session.all("SELECT 1 FROM pg_stat_replication WHERE replay_lsn IS NOT NULL")
    )


def replica_late(stage: Stage) -> None:
    """One that confirms a while after it was sent something, and then is sent more."""
    standby = Standby(stage)
    session = stage.session()
    # Little, since nobody reads what the socket holds; by a transaction, which flushes it.
    little = "SELECT pg_logical_emit_message(true, 'test', 'x')"
    session.run(little)
    here = session.value("SELECT pg_current_wal_flush_lsn()::text")
    # The server measures how late a confirmation is from when it sent what is confirmed.
    sent = "SELECT sent_lsn >= %s::pg_lsn FROM pg_stat_replication"
    wait_until(lambda: session.value(sent, here))
    standby.confirm(here)
    wait_until(lambda: session.value("SELECT replay_lag > '0' FROM pg_stat_replication"))
    session.run(little)


def replica_that_keeps_up(stage: Stage) -> None:
    standby = Standby(stage)
    session = stage.session()
    standby.confirm(session.value("SELECT pg_current_wal_lsn()::text"))
    wait_until(
        lambda: session.all("SELECT 1 FROM pg_stat_replication WHERE replay_lsn IS NOT NULL")
    )


def failing_archive(stage: Stage) -> None:
    set_for_now(stage, "archive_command", "false")
    session = stage.session()
    session.run("SELECT pg_stat_reset_shared('archiver')")
    write_wal(stage, 1)
    session.run("SELECT pg_switch_wal()")
    wait_until(lambda: session.value("SELECT failed_count > 0 FROM pg_stat_archiver"), within=30)


def archive_that_recovered(stage: Stage) -> None:
    failing_archive(stage)
    stage.undo()
    session = stage.session()
    later = "SELECT last_archived_time > last_failed_time FROM pg_stat_archiver"
    wait_until(lambda: session.value(later), within=30)


FAULTS = (
    Fault(
        "slot-retention",
        "unused",
        slot_that_keeps_wal,
        Level.fail,
        "^replication slot unused",
        "nobody uses it; keeps WAL from",
        "^SELECT pg_drop_replication_slot",
        scaled=5 * 1024**3,
        special=True,
    ),
    Fault(
        "slot-retention",
        "lost",
        lost_slot,
        Level.fail,
        "^replication slot unused",
        "set up anew",
        "^SELECT pg_drop_replication_slot",
        special=True,
    ),
    Fault(
        "inactive-slots",
        "since when is known",
        unused_slot,
        Level.warn,
        "^replication slot unused",
        "nobody uses",
        "^SELECT pg_drop_replication_slot",
        scaled=600,
        special=True,
        majors=(18,),
    ),
    Fault(
        "inactive-slots",
        "since when is not known",
        unused_slot,
        Level.note,
        "^replication slot unused",
        "version 17",
        "^SELECT pg_drop_replication_slot",
        special=True,
        majors=(15,),
    ),
    Fault(
        "replication-lag-bytes",
        "a standby behind",
        replica_behind,
        Level.warn,
        "^replica standby",
        "bytes not replayed",
        "pg_stat_replication",
        special=True,
    ),
    Fault(
        "replication-lag-time",
        "a standby late",
        replica_late,
        Level.fail,
        "^replica standby",
        "that it confirmed",
        "pg_stat_replication",
        scaled=30,
        special=True,
    ),
    Fault(
        "wal-archiving",
        "a command that fails",
        failing_archive,
        Level.fail,
        "^archive_command",
        "failed .* s ago",
        "server's log",
        special=True,
    ),
)

CALM = (
    Calm("replication-lag-bytes", "a standby that keeps up", replica_that_keeps_up, special=True),
    Calm("replication-lag-time", "a standby that keeps up", replica_that_keeps_up, special=True),
    Calm("slot-retention", "a slot that keeps little", slot_with_catalogue, special=True),
    Calm("wal-archiving", "it works again", archive_that_recovered, special=True),
)
