"""vsl.doom_objects, vsl.take_doomed and vsl.drop_doomed: objects that nothing refers to."""

from __future__ import annotations

from collections.abc import Callable

from tests.engine.kit import Engine, output, run

from vsl.db.statements import DoomObjects, DropDoomed, TakeDoomed


def doom(engine: Engine, *keys: str, bucket: str = "here") -> int:
    return engine.one(DoomObjects(keys=keys, bucket=bucket, reason="stored in vain"))


def take(engine: Engine, count: int = 100, bucket: str = "here") -> list[str]:
    rows = engine.rows(TakeDoomed(bucket=bucket, count=count))
    return sorted(row.storage_key for row in rows)


def let_time_pass(engine: Engine) -> None:
    engine.connection.execute("UPDATE vsl.doomed_objects SET due_at = now()")


def test_a_doomed_object_waits_a_minute(engine: Engine) -> None:
    assert doom(engine, "a", "b") == 2
    assert take(engine) == []
    let_time_pass(engine)
    assert take(engine) == ["a", "b"]


def test_one_that_was_given_out_comes_again_until_it_is_dropped(engine: Engine) -> None:
    doom(engine, "a", "b")
    let_time_pass(engine)
    rows = engine.rows(TakeDoomed(bucket="here", count=100))
    assert take(engine) == []
    run_drop = [row.id for row in rows if row.storage_key == "a"]
    with engine.connection.cursor() as cursor:
        cursor.execute("SELECT vsl.drop_doomed(%s)", [run_drop])
    let_time_pass(engine)
    assert take(engine) == ["b"]
    assert engine.all("SELECT tries FROM vsl.doomed_objects") == [{"tries": 2}]


def test_the_statement_that_forgets(engine: Engine) -> None:
    doom(engine, "a")
    (row,) = engine.all("SELECT id FROM vsl.doomed_objects")
    run(engine.connection, DropDoomed(ids=[row["id"]]))
    assert engine.all("SELECT id FROM vsl.doomed_objects") == []


def test_each_bucket_has_its_own(engine: Engine) -> None:
    doom(engine, "a")
    doom(engine, "b", bucket="there")
    engine.connection.execute(
        "INSERT INTO vsl.doomed_objects (storage_key, reason) VALUES ('of any', 'x')"
    )
    let_time_pass(engine)
    assert take(engine, bucket="there") == ["b", "of any"]
    assert take(engine) == ["a"]


def test_the_limit_is_kept(engine: Engine) -> None:
    doom(engine, *"abcdefghij")
    let_time_pass(engine)
    assert [len(take(engine, 4)) for _ in range(4)] == [4, 4, 2, 0]


def test_what_a_row_refers_to_is_never_doomed(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun, outputs=[output(s3_key="kept")])
    assert doom(engine, "kept", "lost") == 1
    let_time_pass(engine)
    assert take(engine) == ["lost"]


def test_what_a_row_came_to_refer_to_is_never_given_out(engine: Engine) -> None:
    """A finish whose answer was lost: its worker dooms the key, then the commit is seen."""
    claim, begun = engine.started()
    doom(engine, "kept")
    engine.finish_one(claim, begun, outputs=[output(s3_key="kept")])
    let_time_pass(engine)
    assert take(engine) == []
    assert engine.all("SELECT id FROM vsl.doomed_objects") == []


def test_a_deleted_output_is_doomed_at_once(engine: Engine) -> None:
    claim, begun = engine.started()
    engine.finish_one(claim, begun, outputs=[output(0, s3_key="a"), output(1, s3_key="b")])
    engine.connection.execute("DELETE FROM media_outputs WHERE s3_key = 'a'")
    assert take(engine) == ["a"]
    engine.connection.execute("DELETE FROM jobs")
    assert take(engine) == ["b"]


def test_two_workers_never_get_the_same_object(
    engine: Engine, another: Callable[[], Engine]
) -> None:
    doom(engine, *"abcdef")
    let_time_pass(engine)
    other = another()
    with other.connection.transaction():
        first = take(other, 3)
        second = take(engine, 9)
    assert sorted(first + second) == list("abcdef")
    assert len(first) == 3
