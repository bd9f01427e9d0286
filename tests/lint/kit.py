"""Judging texts, without files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from vsl.db.statement import Connection
from vsl.ops.lint import File, Finding, find_squawk, lint


def findings_of(text: str, *, own: bool = False, version: int = 15) -> list[Finding]:
    """What the linter says of a text when there is no database."""
    file = File("V9__made_up.sql", text, own)
    return asyncio.run(lint([file], find_squawk(), connection=None, version=version))


async def findings_at(connection: Connection, *texts: str) -> list[Finding]:
    """The same with a database to ask."""
    files = [File(f"V{number}__made_up.sql", text) for number, text in enumerate(texts, 1)]
    return await lint(files, find_squawk(), connection=connection, version=15)


def rules(found: Sequence[Finding], *levels: str) -> set[str]:
    """The rules of findings, of some levels only when these are given."""
    return {one.rule for one in found if not levels or one.level in levels}
