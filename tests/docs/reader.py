"""A reader who follows a page: types its blocks one after another and looks at what comes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.docs.pages import Block, Page, missing_from
from tests.docs.terminal import PATIENCE, Background, Session


class Reader:
    """One reader. psql: how to open psql. names: what stands in commands for a reader's own."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], psql: list[str], names: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._env = dict(env)
        self._psql = psql
        self._names = names
        self._sessions: dict[str, Session] = {}
        self._background: list[Background] = []

    def follow(self, page: Page) -> int:
        """Run all blocks of a page; how many there were."""
        blocks = page.blocks()
        for block in blocks:
            problem = self._try(block)
            assert problem is None, f"{page.name}, line {block.line}: {problem}"
        return len(blocks)

    def close(self) -> None:
        """Close all terminals, the newest first."""
        for session in self._sessions.values():
            session.close()
        for background in reversed(self._background):
            background.close()

    def _try(self, block: Block) -> str | None:
        """What is wrong with a block, or None."""
        if block.verb == "skip":
            return None
        if block.verb == "instead":
            block = replace(block, language="sh", text=block.rest)
        if block.verb == "with":
            this, _, that = block.rest.partition(" => ")
            block = replace(block, text=block.text.replace(this, that))
        text = self._own(block.text)
        if block.verb == "background":
            log = self._folder / f"terminal-{len(self._background)}.log"
            started = Background(text, log, cwd=self._folder, env=self._exported())
            self._background.append(started)
            started.wait_for(block.rest)
            output, problem = started.output(), None
        else:
            output, problem = self._run(block, text)
        if block.sample and problem is None:
            missing = missing_from(output, self._own(block.sample))
            problem = missing and f"its output lacks {missing!r}"
        return f"{problem}:\n{output}" if problem else None

    def _own(self, text: str) -> str:
        """A text with the reader's own names in it."""
        for name, own in self._names.items():
            text = text.replace(name, own)
        return text

    def _exported(self) -> dict[str, str]:
        """The variables of the shell, for what is started beside it."""
        listed, _ = self._shell().run("env -0")
        pairs = (entry.partition("=") for entry in listed.split("\0"))
        return {name: value for name, separator, value in pairs if separator}

    def _run(self, block: Block, text: str) -> tuple[str, str | None]:
        """A block's output, and what is wrong with how it ended."""
        deadline = time.monotonic() + PATIENCE
        while True:
            output, problem = getattr(self, f"_run_{block.language}")(block, text)
            if problem or block.verb != "until" or block.rest in output:
                return output, problem
            if time.monotonic() > deadline:
                return output, f"it never said {block.rest!r}"
            time.sleep(0.2)

    def _run_sh(self, block: Block, text: str) -> tuple[str, str | None]:
        # Every command counts, not only the last one.
        output, status = self._shell().run(f"trap 'failed=$?' ERR\n{{ {text}\n}} </dev/null")
        wanted = block.rest if block.verb == "status" else "0"
        return output, None if status == wanted else f"exit status {status}, not {wanted}"

    def _run_sql(self, block: Block, text: str) -> tuple[str, str | None]:
        psql = self._session("sql", self._psql, "\\echo {mark} :LAST_ERROR_SQLSTATE")
        output, state = psql.run(text)
        state = state if "ERROR:" in output else "none"
        wanted = block.rest if block.verb == "refused" else "none"
        return output, None if state == wanted else f"SQLSTATE {state}, not {wanted}"

    def _run_python(self, _: Block, text: str) -> tuple[str, str | None]:
        done = subprocess.run(
            [sys.executable, "-c", text],
            cwd=self._folder,
            env=self._exported(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout, f"exit status {done.returncode}" if done.returncode else None

    def _shell(self) -> Session:
        start = ["bash", "--noprofile", "--norc"]
        return self._session("sh", start, "echo {mark} ${{failed:-0}}; failed=0")

    def _session(self, kind: str, argv: list[str], mark: str) -> Session:
        if kind not in self._sessions:
            self._sessions[kind] = Session(argv, mark, cwd=self._folder, env=self._env)
        return self._sessions[kind]
