"""A server on which everything is set as it should not be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.doctor.kit import Stage
from tests.support.servers import ServerPool

RECKLESS = {
    "full_page_writes": "off",
    "fsync": "off",
    "zero_damaged_pages": "on",
    "ignore_checksum_failure": "on",
    "ignore_system_indexes": "on",
    "track_activities": "off",
    "synchronous_commit": "off",
    "autovacuum_freeze_max_age": "1000000001",
    "autovacuum_multixact_freeze_max_age": "1000000001",
}


@pytest.mark.parametrize("major", [18])
def test_each_dangerous_setting_is_named(
    major: int, servers: ServerPool, new_stage: Callable[..., Stage]
) -> None:
    server = servers.fresh(major, **RECKLESS, track_counts="off", autovacuum="off")
    stage = new_stage(server)
    levels = {f.subject: f.level.name for f in stage.look("dangerous-settings").findings}
    assert levels == {
        "full_page_writes": "fail",
        "fsync": "fail",
        "zero_damaged_pages": "fail",
        "ignore_checksum_failure": "fail",
        "ignore_system_indexes": "warn",
        "track_activities": "warn",
        "synchronous_commit": "note",
        "autovacuum_freeze_max_age": "warn",
        "autovacuum_multixact_freeze_max_age": "warn",
    }
    levels = {f.subject: f.level.name for f in stage.look("autovacuum-settings").findings}
    assert levels == {"track_counts": "fail", "autovacuum": "fail"}


@pytest.mark.parametrize("major", [18])
def test_an_extension_that_was_not_loaded_is_told(
    major: int, servers: ServerPool, new_stage: Callable[..., Stage]
) -> None:
    stage = new_stage(servers.fresh(major, shared_preload_libraries=""))
    stage.session().run("CREATE EXTENSION pg_stat_statements")
    (finding,) = stage.look("slow-statements").findings
    assert finding.level.name == "note"
    assert "there but not loaded" in finding.evidence
    assert (finding.next or "").startswith("Add pg_stat_statements to shared_preload_libraries")
