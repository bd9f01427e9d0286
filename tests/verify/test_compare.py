"""How differences between catalogues are decided and named, without a server."""

from __future__ import annotations

from vsl.db.statements import CatalogueObject
from vsl.db.statements_adopt import RecordedVersion
from vsl.ops.verify.compare import ROLES, Difference, Snapshot, compare


def thing(name: str, definition: str = "", whole: str | None = None) -> CatalogueObject:
    return CatalogueObject("object", name, definition, whole, None)


def owner(name: str, role: str) -> CatalogueObject:
    return CatalogueObject("owner", f"owner of {name}", role, name, role)


def grant(name: str, role: str, privileges: str = "SELECT") -> CatalogueObject:
    return CatalogueObject("grants", f"grants on {name} to {role}", privileges, name, role)


def snapshot(*objects: CatalogueObject, roles: tuple[str, ...] = ROLES, **more: object) -> Snapshot:
    return Snapshot(objects=objects, roles=frozenset(roles), **more)  # type: ignore[arg-type]


def table(name: str, role: str = "ada", **columns: str) -> list[CatalogueObject]:
    parts = [
        thing(f"column {name}.{column}", f"{place}: {kind}", f"table {name}")
        for place, (column, kind) in enumerate(columns.items(), 1)
    ]
    return [thing(f"table {name}"), owner(f"table {name}", role), *parts]


def lines(fresh: Snapshot, live: Snapshot, migrated: Snapshot | None = None) -> list[str]:
    return [str(d) for d in compare(fresh, migrated, live)]


def test_alike() -> None:
    one = snapshot(*table("t", a="text"), grant("table t", "vsl_app"))
    assert compare(one, one, one) == []


def test_installations_of_two_owners_are_alike_but_for_a_stray_table() -> None:
    fresh = snapshot(
        *table("t", "root"),
        *table("u", "root"),
        *table("v", "root"),
        grant("table t", "root", "ALL"),
    )
    live = snapshot(
        *table("t", "ada"), *table("u", "ada"), *table("v", "ada"), grant("table t", "ada", "ALL")
    )
    assert lines(fresh, live) == []
    stray = snapshot(
        *table("t", "ada"), *table("u", "ada"), *table("v", "bob"), grant("table t", "ada", "ALL")
    )
    assert lines(fresh, stray) == ["changed: owner of table v: expected 'the owner', found 'bob'"]


def test_what_is_missing_is_said_once_for_all_its_parts() -> None:
    whole = table("t", a="text", b="text")
    comment = CatalogueObject("comment", "comment on table t", "words", "table t", None)
    on_column = CatalogueObject(
        "grants", "grants on column t.a to vsl_app", "SELECT", "column t.a", "vsl_app"
    )
    everything = snapshot(*whole, comment, on_column, grant("table t", "vsl_app"))
    nothing = snapshot()
    assert lines(everything, nothing) == ["missing: table t"]
    assert compare(nothing, None, everything) == [Difference("not expected", "table t", "added")]


def test_grants_beyond_are_faults_for_vsls_roles_and_all_and_additions_for_others() -> None:
    fresh = snapshot(*table("t"))
    live = snapshot(
        *table("t"),
        grant("table t", "vsl_app"),
        grant("table t", "PUBLIC"),
        grant("table t", "bob"),
    )
    assert {(d.name, d.level) for d in compare(fresh, None, live)} == {
        ("grants on table t to vsl_app", "difference"),
        ("grants on table t to PUBLIC", "difference"),
        ("grants on table t to bob", "added"),
    }


def test_grants_to_roles_that_one_server_has_not_are_left_out() -> None:
    having = snapshot(*table("t"), grant("table t", "vsl_app"))
    without = snapshot(*table("t"), roles=())
    assert lines(having, without) == lines(without, having) == []
    assert lines(having, snapshot(*table("t"))) == ["missing: grants on table t to vsl_app"]


def test_vsls_columns_may_stand_behind_a_users_but_not_in_another_order() -> None:
    fresh = snapshot(*table("t", a="text", b="text", c="text"))
    assert lines(fresh, snapshot(*table("t", a="text", mine="int", b="text", c="text"))) == [
        "not expected: column t.mine"
    ]
    assert lines(fresh, snapshot(*table("t", a="text", c="text", b="text"))) == [
        "changed: order of the columns of table t"
    ]


def test_a_not_null_is_said_by_its_column_only() -> None:
    named = thing("constraint t_a_not_null on t", "NOT NULL a", "table t")
    assert lines(snapshot(*table("t"), named), snapshot(*table("t"))) == []


def test_where_the_two_ways_differ_the_live_one_may_be_as_either() -> None:
    def made(kind: str) -> Snapshot:
        return snapshot(*table("t", a=kind))

    for live in ("text", "integer"):
        (found,) = compare(made("text"), made("integer"), made(live))
        assert (found.where, found.kind, found.name) == ("package", "changed", "column t.a")
    both = compare(made("text"), made("integer"), made("uuid"))
    assert [d.where for d in both] == ["package", "live"]


def version(
    text: str, origin: str | None = "vsl", state: str | None = "applied"
) -> RecordedVersion:
    return RecordedVersion(text, origin, None, state)


def test_versions() -> None:
    fresh = snapshot(versions=[version("1.0.0", None, None), version("1.1.0")])
    assert lines(fresh, snapshot(versions=[version("1.0"), version("1.1.0")])) == []
    live = snapshot(
        versions=[
            version("1.0.0", state="failed"),
            version("9.0"),
            version("5", "user"),
            version("odd", "user"),
        ]
    )
    assert lines(fresh, live) == [
        "missing: version 1.1.0",
        "changed: version 1.0.0: it is recorded as failed",
        "not expected: version 9.0",
    ]
    assert lines(fresh, snapshot(versions=None)) == []


def test_texts() -> None:
    fresh = snapshot(texts={"a": "1", "b": "2", "c": "3"})
    live = snapshot(texts={"a": "1", "b": "9", "d": "4"})
    assert lines(fresh, live) == [
        "changed: text b: another text was applied last",
        "missing: text c",
        "not expected: text d",
    ]
    assert lines(fresh, snapshot(texts=None)) == []
