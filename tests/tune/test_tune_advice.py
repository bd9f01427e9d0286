"""What is said of a setting, by its value, its source, and what the server has counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vsl.db.statements_care import Counters, EarlierCounters, Host, Override, Setting
from vsl.db.tuning import Checkpoints
from vsl.ops.tune.advice import Advice, Findings, advise, literal
from vsl.ops.tune.evidence import Evidence, span, weigh
from vsl.ops.tune.formulas import targets
from vsl.ops.tune.machine import Machine
from vsl.ops.tune.report import Report, parameter_group_calls, statements
from vsl.ops.tune.units import GB, MB

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MACHINE = Machine(8 * GB, 4)
HOST = Host(
    major=18,
    version="18.0",
    database="vsl",
    role="ops",
    is_superuser=True,
    sees_settings=True,
    is_local=True,
    is_rds=False,
    is_aurora=False,
    has_statements_library=True,
    statements_schema=None,
    at=NOW,
)
#: A month in which nothing speaks for a change.
QUIET = Evidence(
    window=30 * 86400.0,
    from_snapshot=False,
    hit_rate=None,
    temp_files=0,
    temp_bytes=0,
    spill=None,
    requested=0.1,
    checkpoints=1000,
    checkpoint_window=30 * 86400.0,
    connected=5,
)
YOUNG = replace(QUIET, window=60.0, requested=None, checkpoints=2, checkpoint_window=60.0)


def setting(name: str, value: str, unit: str | None = None, **changes: object) -> Setting:
    kind = "integer" if value.lstrip("-").isdigit() else "enum"
    made = Setting(
        name=name,
        setting=value,
        unit=unit,
        type=kind,
        context="sighup",
        source="default",
        file=None,
        most=None,
        words=None,
        pending_restart=False,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def advice(
    given: Setting | None,
    *,
    name: str = "",
    evidence: Evidence = QUIET,
    host: Host = HOST,
    machine: Machine = MACHINE,
    overrides: tuple[Override, ...] = (),
    others: tuple[Setting, ...] = (),
) -> Advice:
    wanted = given.name if given else name
    (target,) = (t for t in targets(machine, host.major) if t.name == wanted)
    settings = {s.name: s for s in (*others, *([given] if given else []))}
    return advise(target, Findings(host, machine, evidence, settings, overrides))


PAGES = 8 * 1024


@pytest.mark.parametrize(
    ("megabytes", "hits", "level"),
    [
        (2048, None, "fine"),
        (1536, None, "fine"),  # three quarters of 2 GB
        (1535, None, "change"),
        (1535, 0.98, "change"),
        (1535, 0.99, "consider"),  # it finds nearly all as it is
        (2730, None, "fine"),  # four thirds
        (2732, None, "consider"),
        (4096, None, "consider"),
        (4097, None, "change"),
        (4097, 0.999, "change"),
    ],
)
def test_shared_buffers(megabytes: int, hits: float | None, level: str) -> None:
    given = setting("shared_buffers", str(megabytes * MB // PAGES), "8kB", context="postmaster")
    found = advice(given, evidence=replace(QUIET, hit_rate=hits))
    assert (found.level, found.restart) == (level, True)
    if level in ("change", "consider"):
        assert found.statement == "ALTER SYSTEM SET shared_buffers = '2GB';"
    else:
        assert found.statement is None


def test_a_hit_rate_of_less_than_a_day_takes_nothing_back() -> None:
    given = setting("shared_buffers", str(64 * MB // PAGES), "8kB", context="postmaster")
    for window, level in ((86_399.0, "change"), (86_400.0, "consider")):
        found = advice(given, evidence=replace(QUIET, window=window, hit_rate=0.999))
        assert found.level == level


@pytest.mark.parametrize(
    ("kilobytes", "evidence", "level"),
    [
        (9216, QUIET, "fine"),
        (4096, QUIET, "fine"),  # a month without a temporary file
        (4096, YOUNG, "consider"),  # not known yet
        (4096, replace(YOUNG, temp_files=3, temp_bytes=9 * MB), "change"),
        (16384, QUIET, "consider"),
        (41943, QUIET, "consider"),  # of 100 sessions: half of the memory
        (41945, QUIET, "change"),
    ],
)
def test_work_mem(kilobytes: int, evidence: Evidence, level: str) -> None:
    assert advice(setting("work_mem", str(kilobytes), "kB"), evidence=evidence).level == level


@pytest.mark.parametrize(
    ("megabytes", "evidence", "level"),
    [
        (4096, QUIET, "fine"),
        (1024, QUIET, "fine"),  # checkpoints come by time
        (1024, replace(QUIET, requested=0.5), "fine"),
        (1024, replace(QUIET, requested=0.51), "change"),
        (1024, YOUNG, "consider"),
        (4096, replace(QUIET, requested=0.51), "consider"),
    ],
)
def test_max_wal_size(megabytes: int, evidence: Evidence, level: str) -> None:
    assert advice(setting("max_wal_size", str(megabytes), "MB"), evidence=evidence).level == level


@pytest.mark.parametrize(
    ("live", "connected", "asked", "level"),
    [
        (100, 5, None, "fine"),
        (50, 34, None, "fine"),
        (50, 35, None, "change"),  # 70 % are in use
        (50, 5, 80, "change"),
        (133, 5, None, "fine"),
        (134, 5, None, "consider"),
        (500, 300, None, "consider"),
    ],
)
def test_max_connections(live: int, connected: int, asked: int | None, level: str) -> None:
    machine = replace(MACHINE, connections=asked)
    given = setting("max_connections", str(live), context="postmaster")
    found = advice(given, evidence=replace(QUIET, connected=connected), machine=machine)
    assert found.level == level
    assert f"{connected} of {live} are connected now" in (found.evidence or "")
    assert ("vsl db pool" in (found.evidence or "")) == (connected > 100)


@pytest.mark.parametrize(
    ("given", "level"),
    [
        (setting("jit", "off", type="bool"), "fine"),
        (setting("jit", "on", type="bool"), "change"),
        (setting("huge_pages", "try"), "fine"),
        (setting("huge_pages", "on"), "fine"),
        (setting("huge_pages", "off"), "change"),
        (setting("wal_compression", "off", words=["off", "pglz", "lz4", "on"]), "consider"),
        (setting("wal_compression", "pglz", words=["off", "pglz", "lz4", "on"]), "fine"),
        (setting("checkpoint_completion_target", "0.5", type="real"), "change"),
        (setting("checkpoint_completion_target", "0.9", type="real"), "fine"),
        (setting("random_page_cost", "4", type="real"), "change"),
        (setting("random_page_cost", "1.1", type="real"), "fine"),
        (setting("idle_in_transaction_session_timeout", "0", "ms"), "change"),
        (setting("idle_in_transaction_session_timeout", "300000", "ms"), "fine"),
        (setting("idle_in_transaction_session_timeout", "300001", "ms"), "change"),
        (setting("idle_in_transaction_session_timeout", "10000", "ms"), "fine"),
        (setting("autovacuum_naptime", "15", "s"), "fine"),
        (setting("autovacuum_naptime", "60", "s"), "consider"),
        (setting("wal_buffers", "512", "8kB"), "fine"),  # follows shared_buffers
        (setting("wal_buffers", "512", "8kB", source="configuration file"), "change"),
        (setting("autovacuum_max_workers", "3"), "fine"),
        (setting("autovacuum_max_workers", "2"), "change"),
        (setting("autovacuum_work_mem", "-1", "kB"), "fine"),
        (setting("autovacuum_work_mem", "65536", "kB"), "consider"),
        (setting("effective_io_concurrency", "1", most="1000"), "consider"),
        (setting("effective_io_concurrency", "0", most="0"), "fine"),  # a system that has none
        (setting("track_io_timing", "off", type="bool"), "change"),
        (setting("log_lock_waits", "off", type="bool"), "consider"),
    ],
)
def test_by_the_rules(given: Setting, level: str) -> None:
    assert advice(given).level == level


def test_autovacuum_takes_what_maintenance_takes() -> None:
    large = Machine(64 * GB, 16)
    given = setting("autovacuum_work_mem", "-1", "kB")
    for megabytes, level in ((2048, "fine"), (2049, "change")):
        other = setting("maintenance_work_mem", str(megabytes * 1024), "kB")
        assert advice(given, machine=large, others=(other,)).level == level


def test_without_lz4_the_other_compression_is_advised() -> None:
    found = advice(setting("wal_compression", "off", words=["off", "pglz", "on"]))
    assert found.statement == "ALTER SYSTEM SET wal_compression = 'on';"


def test_libraries_are_added_to_those_that_are_there() -> None:
    given = setting("shared_preload_libraries", "pg_cron, auto_explain", context="postmaster")
    found = advice(given)
    assert found.level == "change"
    assert found.statement == (
        "ALTER SYSTEM SET shared_preload_libraries = "
        "'pg_cron', 'auto_explain', 'pg_stat_statements';"
    )
    already = replace(given, setting='auto_explain,"pg_stat_statements"')
    assert advice(already).level == "fine"


def test_a_library_that_is_not_there_would_keep_the_server_from_starting() -> None:
    given = setting("shared_preload_libraries", "", context="postmaster")
    found = advice(given, host=replace(HOST, has_statements_library=False))
    assert (found.level, found.statement) == ("cannot tell", None)
    assert "contrib" in (found.remark or "")


def test_what_may_not_be_seen_cannot_be_told() -> None:
    host = replace(HOST, sees_settings=False)
    found = advice(None, name="shared_preload_libraries", host=host)
    assert (found.level, found.live, found.statement) == ("cannot tell", None, None)
    assert found.remark == 'ops may not see it: GRANT pg_read_all_settings TO "ops";'
    hidden = advice(None, name="shared_buffers", host=host)
    assert (hidden.level, hidden.recommended) == ("cannot tell", "2GB")


@pytest.mark.parametrize(
    ("source", "statement", "remark"),
    [
        ("default", "ALTER SYSTEM SET jit = 'off';", None),
        ("configuration file", "ALTER SYSTEM SET jit = 'off';", None),
        ("command line", None, "it is set on the server's command line, which wins"),
        ("environment variable", None, "the server's environment, which wins"),
        ("database", "ALTER DATABASE \"vsl\" SET jit = 'off';", "cannot be seen from a session"),
        ("user", "ALTER ROLE \"ops\" SET jit = 'off';", "cannot be seen from a session"),
        (
            "database user",
            'ALTER ROLE "ops" IN DATABASE "vsl" SET jit = \'off\';',
            "cannot be seen from a session",
        ),
        ("client", None, "look without that"),
    ],
)
def test_the_line_fits_where_the_value_comes_from(
    source: str, statement: str | None, remark: str | None
) -> None:
    found = advice(setting("jit", "on", type="bool", source=source))
    assert found.statement == statement
    assert (remark is None) == (found.remark is None)
    assert (remark or "") in (found.remark or "")


def test_others_with_a_value_of_their_own_are_named() -> None:
    overrides = (
        Override("report", None, "work_mem", "64MB"),
        Override("report", "vsl", "work_mem", "1GB"),
        Override(None, "vsl", "work_mem", "8MB"),
        Override(None, "vsl", "jit", "on"),
    )
    found = advice(setting("work_mem", "9216", "kB"), overrides=overrides)
    assert found.overrides == (
        "role report: 64MB",
        "role report in database vsl: 1GB",
        "all roles in database vsl: 8MB",
    )


def test_a_restart_that_is_pending_is_said() -> None:
    given = setting("shared_buffers", "262144", "8kB", context="postmaster", pending_restart=True)
    found = advice(given)
    assert (found.level, found.pending) == ("fine", True)
    assert found.remark == "a restart is pending, and brings another value"


RDS = replace(HOST, is_rds=True, is_superuser=False)


@pytest.mark.parametrize(
    ("given", "value", "method"),
    [
        (
            setting("shared_buffers", "16384", "8kB", context="postmaster"),
            "262144",
            "pending-reboot",
        ),
        (setting("effective_cache_size", "16384", "8kB", context="user"), "786432", "immediate"),
        (setting("maintenance_work_mem", "65536", "kB"), "524288", "immediate"),
        (setting("idle_in_transaction_session_timeout", "0", "ms"), "300000", "immediate"),
        (setting("random_page_cost", "4", type="real"), "1.1", "immediate"),
        (setting("jit", "on", type="bool"), "0", "immediate"),
        (setting("track_io_timing", "off", type="bool"), "1", "immediate"),
        (
            setting("shared_preload_libraries", "rdsutils", context="postmaster"),
            "rdsutils,pg_stat_statements",
            "pending-reboot",
        ),
    ],
)
def test_rds_takes_parameters_in_its_units(given: Setting, value: str, method: str) -> None:
    found = advice(given, host=RDS)
    assert (found.level, found.statement) == ("change", None)
    (call,) = parameter_group_calls(report(found, host=RDS), "change")
    assert call == (
        "aws rds modify-db-parameter-group --db-parameter-group-name YOUR-GROUP --parameters "
        f'\'[{{"ParameterName": "{given.name}", "ParameterValue": "{value}", '
        f'"ApplyMethod": "{method}"}}]\''
    )


def report(*found: Advice, host: Host = HOST, logins: tuple[Advice, ...] = ()) -> Report:
    return Report(host, MACHINE, QUIET, found, logins)


def test_twenty_parameters_at_a_time() -> None:
    one = advice(setting("jit", "on", type="bool"), host=RDS)
    calls = parameter_group_calls(report(*[one] * 41, host=RDS), "change")
    assert [call.count("ParameterName") for call in calls] == [20, 20, 1]


def test_aurora_keeps_its_memory_itself() -> None:
    aurora = replace(RDS, is_aurora=True)
    found = advice(setting("shared_buffers", "16384", "8kB"), host=aurora)
    assert (found.level, found.why) == ("fine", "Aurora keeps it by itself")
    assert advice(setting("jit", "on", type="bool"), host=aurora).level == "change"


def test_statements_are_ready_to_be_run() -> None:
    found = [
        advice(setting("shared_buffers", "1", "8kB", context="postmaster")),
        advice(setting("jit", "on", type="bool")),
        advice(setting("log_lock_waits", "off", type="bool")),
        advice(setting("huge_pages", "try")),
    ]
    assert statements(report(*found)) == [
        "ALTER SYSTEM SET shared_buffers = '2GB';",
        "ALTER SYSTEM SET jit = 'off';",
        "-- ALTER SYSTEM SET log_lock_waits = 'on';",
        "SELECT pg_reload_conf();",
        "-- Restart the server for: shared_buffers.",
    ]
    assert statements(report(found[3])) == []
    assert literal("it's") == "'it''s'"


# Evidence.

COUNTERS = Counters(
    since=NOW - timedelta(days=10),
    commits=1000,
    hit=99_000,
    read=1_000,
    temp_files=240,
    temp_bytes=240 * MB,
    started_at=NOW - timedelta(days=20),
    connected=7,
)
CHECKPOINTS = Checkpoints(timed=6, requested=4, since=NOW - timedelta(days=5))
EARLIER = EarlierCounters(
    taken_at=NOW - timedelta(hours=10),
    commits=900,
    hit=94_000,
    read=500,
    temp_files=235,
    temp_bytes=230 * MB,
    timed=5,
    requested=1,
)


def test_counters_since_they_began() -> None:
    found = weigh(NOW, COUNTERS, CHECKPOINTS, None, 3 * MB)
    assert found.of_temporary_files() == (
        "240 temporary files in 10 days since the counters began, 1.0 an hour, 1 MB on average; "
        "the worst statement writes 3 MB"
    )
    assert found.of_checkpoints() == "40 % of 10 checkpoints were on request in 5 days"
    assert found.of_cache() == (
        "99.0 % of blocks were found in shared_buffers in 10 days since the counters began"
    )
    assert found.connected == 7


def test_counters_since_a_snapshot() -> None:
    found = weigh(NOW, COUNTERS, CHECKPOINTS, EARLIER, None)
    assert found.of_temporary_files() == (
        "5 temporary files in 10 h by snapshots, 0.5 an hour, 2 MB on average"
    )
    # Too few to tell a share of.
    assert (found.requested, found.checkpoints) == (None, 4)
    assert found.of_checkpoints() == "4 checkpoints in 10 h are too few to tell"
    assert found.hit_rate is None  # 5,500 blocks
    assert found.of_cache() == "too little was read in 10 h by snapshots to tell"


def test_a_database_without_a_reset_counts_since_the_start() -> None:
    found = weigh(NOW, replace(COUNTERS, since=None), CHECKPOINTS, None, None)
    assert found.window == 20 * 86400
    assert [span(value) for value in (119, 120, 7200, 172_800)] == [
        "119 s",
        "2 min",
        "2 h",
        "2 days",
    ]
