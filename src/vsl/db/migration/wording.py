"""Texts about migrations that people read: differences, and a template for a new one."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from vsl.db.files import MIGRATION_NAME, Migration, database_dir, migrations
from vsl.db.migration.folder import LONGEST_VERSION, free_version, is_same_version, read_folder
from vsl.errors import InvalidInput, Problem


def unified(applied: str, migration: Migration) -> str:
    """A unified diff of the text that was applied against a file."""
    lines = difflib.unified_diff(
        applied.splitlines(),
        migration.text.splitlines(),
        f"{migration.version} as applied",
        migration.path.name,
        lineterm="",
        n=3,
    )
    return "\n".join(lines)


def write_new(folder: Path, words: str, version: str | None) -> Path:
    """Make the next file of the user's folder, from a template; never over another one.

    words: what it does; letters and digits of them make its name. Raises ``InvalidInput`` for words
    without any, for a version that is none or is taken, and as ``read_folder`` does.
    """
    name = re.sub(r"\W+", "_", words.strip().lower()).strip("_")
    if not name or len(name) > _LONGEST_NAME:
        accepted = f"1 to {_LONGEST_NAME} letters and digits, such as 'add tags'"
        raise InvalidInput([Problem("WORDS", "make no name of a file", accepted)])
    known = read_folder(folder)
    chosen = free_version(known) if version is None else version
    path = folder / f"V{chosen}__{name}.sql"
    if MIGRATION_NAME.fullmatch(path.name) is None or len(chosen) > LONGEST_VERSION:
        raise InvalidInput([Problem("--version", "is not a version", "dotted numbers, as 100.2.0")])
    taken = next((m for m in (*migrations(), *known) if is_same_version(chosen, m)), None)
    if taken is not None:
        whose = "VSL's " if taken.origin == "vsl" else ""
        reason = f"is that of {whose}{taken.path.name}"
        raise InvalidInput(
            [Problem("--version", reason, f"a free one, such as {free_version(known)}")]
        )
    template = (database_dir() / "install" / "new_migration.sql").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(template.replace("{{words}}", " ".join(words.split())))
    return path


#: Characters of a file's name that come from words; file systems allow 255 bytes in all.
_LONGEST_NAME = 60
