"""A program in a terminal, as a person sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import wait_until

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """A program whose input, output and errors are one terminal of so many columns."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, columns: int
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # Its controlling terminal, so that Ctrl-C is a signal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._seen = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def type(self, text: str) -> None:
        """Press keys; Ctrl-C is ``\\x03``."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until a text was printed."""
        wait_until(lambda: text in self.text, within=60, what=f"{text!r} in {self.text!r}")

    def wait(self) -> int:
        """The exit status, once the program has ended."""
        status = self.process.wait(60)
        self._reader.join(10)
        os.close(self._master)
        assert "Traceback" not in self.text, self.text
        return status

    @property
    def raw(self) -> str:
        """All that was printed."""
        return self._seen.decode(errors="replace")

    @property
    def text(self) -> str:
        """The same without colours and movements of the cursor."""
        return _CONTROLS.sub("", self.raw)

    @property
    def lines(self) -> list[str]:
        """The lines of it."""
        return self.text.splitlines()

    def _read(self) -> None:
        while True:
            try:
                some = os.read(self._master, 4096)
            except OSError:  # how a terminal ends on Linux
                return
            if not some:
                return
            self._seen += some
