"""Faults of the schema, and what only looks like one."""

from __future__ import annotations

from typing import Any

from tests.doctor.kit import Calm, Fault, Stage

from vsl.ops.doctor.check import Level


def older_functions(stage: Stage) -> None:
    stage.session().run(
        "UPDATE vsl.repeatables SET sha256 = 'x' WHERE path = 'functions/claim_jobs.sql'"
    )


def missing_migration(stage: Stage) -> None:
    stage.session().run("DELETE FROM schema_migrations WHERE version = '1.2.0'")


def newer_schema(stage: Stage) -> None:
    stage.session().run("INSERT INTO schema_migrations (version, origin) VALUES ('99', 'vsl')")


def migration_of_the_users(stage: Stage) -> None:
    stage.session().run("INSERT INTO schema_migrations (version, origin) VALUES ('99', 'user')")


def migration_in_state(state: str, runner: str | None = None) -> Any:
    def inject(stage: Stage) -> None:
        session = stage.session()
        session.run(
            "INSERT INTO schema_migrations (version, origin, state, statements_done)"
            " VALUES ('99', 'user', %s, 2)",
            state,
        )
        if runner is not None:
            stage.connect(stage.url, application_name=runner)

    return inject


FAULTS = (
    Fault(
        "schema-current",
        "older functions",
        older_functions,
        Level.fail,
        "",
        "^1 functions, views or grants",
        "^vsl db migrate$",
    ),
    Fault(
        "schema-current",
        "a missing migration",
        missing_migration,
        Level.fail,
        "",
        "lacks migration 1.2.0",
        "^vsl db migrate$",
    ),
    Fault(
        "schema-current",
        "a newer schema",
        newer_schema,
        Level.fail,
        "",
        "has migration 99, which",
        "newer VSL",
    ),
    Fault(
        "unfinished-migrations",
        "failed",
        migration_in_state("failed"),
        Level.fail,
        "^migration 99",
        "failed, since .*; 2 of its",
        "^vsl db migrate$",
    ),
    Fault(
        "unfinished-migrations",
        "left running",
        migration_in_state("running"),
        Level.fail,
        "^migration 99",
        "no runner is at work",
        "^vsl db migrate$",
    ),
)

CALM = (
    Calm("schema-current", "a migration of the user's", migration_of_the_users),
    Calm(
        "unfinished-migrations", "a runner is at work", migration_in_state("running", "vsl migrate")
    ),
)
