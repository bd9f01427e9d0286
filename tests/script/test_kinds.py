"""Which statements may share a file, what is refused, and what a concurrent build is called."""

from __future__ import annotations

import pytest
from tests.script.cases import ALLOWED, REFUSED, Case

from vsl.db.script import (
    concurrent_index,
    identifier,
    mode,
    outside_transaction,
    split,
    transaction_control,
)
from vsl.errors import InvalidInput


@pytest.mark.parametrize("case", [*REFUSED, *ALLOWED], ids=lambda case: str(case.text))
def test_what_cannot_run_in_a_transaction_is_named(case: Case) -> None:
    (statement,) = split(f"/* x */ {case.text} -- y".replace("{database}", "main"))
    assert outside_transaction(statement) == case.name


@pytest.mark.parametrize(
    "text",
    ["BEGIN", "begin work", "START TRANSACTION READ ONLY", "COMMIT", "COMMIT PREPARED 'x'", "END",
     "ROLLBACK", "ROLLBACK TO s", "ABORT", "SAVEPOINT s", "RELEASE s", "PREPARE TRANSACTION 'x'"]
)  # fmt: skip
def test_what_controls_transactions_is_known(text: str) -> None:
    statements = split(f"SELECT 1;\n{text}")
    assert transaction_control(statements[1])
    with pytest.raises(InvalidInput, match=r"line 2: .* controls transactions itself"):
        mode(statements)


@pytest.mark.parametrize(
    "text",
    ["PREPARE p AS SELECT 1", "SELECT 1 AS commit", "START_IT", '"begin"', "DO $$BEGIN END$$",
     "SET TRANSACTION READ ONLY"]
)  # fmt: skip
def test_what_does_not_control_transactions_is_known(text: str) -> None:
    assert not transaction_control(split(text)[0])


BUILD = "CREATE INDEX CONCURRENTLY i ON t (a);"
RECORD = "INSERT INTO schema_migrations (version) VALUES ('2')"
QUOTED_RECORD = 'INSERT INTO public."schema_migrations" VALUES (1)'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "transaction"),
        ("-- nothing\n", "transaction"),
        ("CREATE TABLE t (a int); INSERT INTO t VALUES (1)", "transaction"),
        ("SET LOCAL lock_timeout = '1s'; SELECT 1", "transaction"),
        (BUILD, "statements"),
        (f"SET statement_timeout = 0; {BUILD} RESET statement_timeout", "statements"),
        (f"SET SESSION work_mem = '1GB'; {BUILD}", "statements"),
        (f"{BUILD} {RECORD}", "statements"),
        (f"{BUILD} {QUOTED_RECORD}", "statements"),
        (f"{BUILD} DROP INDEX CONCURRENTLY j; VACUUM t", "statements"),
        ("CREATE TABLE t (a int); SET work_mem = '1MB'", "transaction"),
    ],
)
def test_a_file_is_run_one_way(text: str, expected: str) -> None:
    assert mode(split(text)) == expected


@pytest.mark.parametrize(
    "other",
    ["CREATE TABLE u (a int)", "INSERT INTO t VALUES (1)", "SELECT 1", "ANALYZE t",
     "INSERT INTO vsl.schema_migrations VALUES (1)", "SET LOCAL lock_timeout = 1",
     "SET TRANSACTION READ ONLY", "COMMENT ON INDEX i IS 'x'"]
)  # fmt: skip
def test_a_mixture_is_refused_with_its_lines(other: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        mode(split(f"{BUILD}\n\n{other};\nVACUUM t"))
    assert [problem.field for problem in caught.value.problems] == ["line 1", "line 4", "line 3"]
    assert "CREATE INDEX CONCURRENTLY cannot run inside" in caught.value.problems[0].reason
    assert caught.value.hint is not None
    assert "Split the file" in caught.value.hint


def test_a_local_setting_beside_concurrent_builds_says_what_to_write() -> None:
    with pytest.raises(InvalidInput, match=r"line 1: SET LOCAL lasts .* write SET"):
        mode(split(f"SET LOCAL lock_timeout = 1; {BUILD}"))


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("SELECT 1;\n'abc", 2, "a string begins here that does not end"),
        ("SELECT E'abc\\'", 1, "a string begins here"),
        ('\n\nSELECT "abc', 3, "a quoted name begins here"),
        ("/* a /* b */", 1, "a comment begins here"),
        ("DO\n$x$ $$ $y$", 2, "a literal begins with $x$"),
        ("SELECT 1;\n\\set x 1", 2, "\\set is a command of psql"),
        ("\\i other.sql", 1, "\\i is a command of psql"),
        ("SELECT 1 \\gexec", 1, "\\gexec is a command of psql"),
        ("SELECT \\", 1, "a backslash stands outside"),
        ("SELECT 1;\nCOPY t FROM STDIN;\n1\t'\n\\.\n", 2, "COPY from or to the client"),
        ("COPY t (a, b) FROM stdin WITH (FORMAT csv)", 1, "COPY from or to the client"),
        ("COPY (SELECT 1) TO STDOUT", 1, "COPY from or to the client"),
        ("SELECT 1;\n\x00", 2, "holds a NUL character"),
        ("SELECT '\udc80'", 1, "holds half of a surrogate pair"),
        ("\nSELECT (1; SELECT 2", 2, "a parenthesis is opened"),
        ("CREATE FUNCTION f()\nBEGIN ATOMIC SELECT 1;", 2, "BEGIN ATOMIC is not closed"),
        ("SET standard_conforming_strings = off", 1, "standard_conforming_strings must stay"),
        ("SET LOCAL Standard_Conforming_Strings TO 'off'", 1, "standard_conforming_strings must"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        split(text)
    (problem,) = caught.value.problems
    assert (problem.field, problem.reason[: len(reason)]) == (f"line {line}", reason)


@pytest.mark.parametrize(
    "text",
    ["COPY t FROM '/file'", "COPY t FROM PROGRAM 'cat'", "COPY t TO '/stdout'",
     "SELECT '\\d', E'\\\\', $$\\set$$, \"\\i\" -- \\copy", "SET standard_conforming_strings = on",
     "SELECT a FROM stdin"]
)  # fmt: skip
def test_what_only_looks_like_it_is_read(text: str) -> None:
    assert [statement.text for statement in split(text)] == [text.split(" -- ")[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY I ON t (a)", (None, "i")),
        ('CREATE UNIQUE INDEX CONCURRENTLY "I x" ON ONLY Public."T" (a)', ("public", "I x")),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON vsl.t USING gin (a)", ("vsl", "i")),
        ('CREATE INDEX CONCURRENTLY "a""b" ON "S"."t" (a)', ("S", 'a"b')),
        ("CREATE INDEX CONCURRENTLY " + "ä" * 40 + " ON t (a)", (None, "ä" * 31)),
        ("CREATE INDEX CONCURRENTLY ON t (a)", None),
        ("CREATE INDEX CONCURRENTLY", None),
        ("CREATE INDEX i ON t (a)", None),
        ("REINDEX INDEX CONCURRENTLY i", None),
        ("SELECT 1", None),
    ],
)
def test_a_concurrent_build_names_its_index(
    text: str, expected: tuple[str | None, str] | None
) -> None:
    assert concurrent_index(split(text)[0]) == expected


def test_names_are_read_as_the_server_reads_them() -> None:
    assert [identifier(word) for word in ("FooÄ", '"Foo"', '"a""b"', "a$B")] == [
        "fooÄ",
        "Foo",
        'a"b',
        "a$b",
    ]
