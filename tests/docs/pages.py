"""Reads the pages: their code blocks, their links, and what the tests are told about them.

A block marked ``sh``, ``sql`` or ``python`` is run as a reader would run it. An HTML comment on
the line before a block, which readers do not see, says what a test has to know:

    <!-- test: skip (reason) -->        not run
    <!-- test: instead COMMAND -->      another command stands in for it
    <!-- test: with THIS => THAT -->    run with THAT in place of THIS
    <!-- test: background TEXT -->      runs in another terminal; goes on once it has printed TEXT
    <!-- test: until TEXT -->           run again until its output has TEXT
    <!-- test: status N -->             the shell block ends with this exit status
    <!-- test: refused SQLSTATE -->     the database refuses the SQL block with this error

A ``text`` block right after one that ran is a sample of its output; see ``missing_from``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("sh", "sql", "python")

_FENCE = re.compile(
    r"(?:^<!-- test: (?P<told>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
_PAGE = re.compile(r"^<!-- test page: (\w+) -->$", re.M)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.M)


@dataclass(frozen=True)
class Block:
    """A code block. told: the verb and the rest of its test comment. sample: of its output."""

    language: str
    text: str
    line: int
    verb: str
    rest: str
    sample: str | None


@dataclass(frozen=True)
class Page:
    """A page of the documentation. place: the server that its blocks run on, or None."""

    path: Path
    text: str

    @property
    def place(self) -> str | None:
        found = _PAGE.search(self.text)
        return found[1] if found else None

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def blocks(self) -> list[Block]:
        """The blocks that are to be run, in order."""
        found = list(_FENCE.finditer(self.text))
        blocks = []
        for match, after in zip_longest(found, found[1:]):
            if match["language"] not in RUN:
                continue
            sample = None
            if after and after["language"] == "text":
                between = self.text[match.end() : after.start()]
                sample = after["text"] if between.isspace() else None
            verb, _, rest = (match["told"] or "").partition(" ")
            line = self.text.count("\n", 0, match.start("text")) + 1
            blocks.append(Block(match["language"], match["text"], line, verb, rest, sample))
        return blocks

    def links(self) -> list[str]:
        """Where its links lead, outside of code."""
        return _LINK.findall(_FENCE.sub("", self.text))

    def anchors(self) -> set[str]:
        """What a link may name after ``#``, as GitHub makes it from headings."""
        plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in self.headings())
        return {words.strip().replace(" ", "-") for words in plain}

    def headings(self) -> list[str]:
        """Its headings."""
        return _HEADING.findall(_FENCE.sub("", self.text))


def pages() -> list[Page]:
    """README and everything in docs."""
    paths = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
    paths += sorted((ROOT / "docs").rglob("*.md"))
    return [Page(path, path.read_text(encoding="utf-8")) for path in paths]


def missing_from(output: str, sample: str) -> str | None:
    """The first line of a sample that the output does not have, in order; None when all are there.

    Identifiers, numbers, times and the widths of tables may differ. A line ``…`` stands for any
    lines, and ``…`` within a line for any text.
    """
    lines = iter([_plain(line) for line in output.splitlines()])
    for line in sample.splitlines():
        wanted = ".*".join(re.escape(part) for part in _plain(line).split("…"))
        if line.strip() and not any(re.fullmatch(wanted, found) for found in lines):
            return line
    return None


def _plain(line: str) -> str:
    line = re.sub(r"\b(job_[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", "ID", line)
    line = re.sub(r"\d+(?:[-:.]\d+)*(?:\+00)?", "N", line)
    return " ".join(re.sub(r"[-+]{2,}", "--", line).split())
