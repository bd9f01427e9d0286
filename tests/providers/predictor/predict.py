"""A Cog model whose every whim is a parameter: what the provider's tests are run against."""

import os
import tempfile
import time
from pathlib import Path as LocalPath
from typing import Any

from cog import BaseRunner, Input, Path


class Runner(BaseRunner):
    def setup(self) -> None:
        self.folder = LocalPath(tempfile.mkdtemp())

    def run(
        self,
        prompt: str = Input(description="Written into the files", max_length=400),
        kind: str = Input(description="What to do", default="file"),
        seconds: float = Input(description="How long to take", default=0.0, ge=0.0, le=60.0),
    ) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
        if kind == "file":
            return self._file("only.txt", prompt)
        if kind == "files":
            return [self._file(f"{n}.txt", f"{prompt} {n}") for n in range(3)]
        if kind == "object":
            picture = self._file("picture.png", prompt)
            return {"caption": "words", "parts": [{"picture": picture}, 7, None]}
        if kind == "text":
            return f"said: {prompt}"
        if kind == "environment":
            return sorted(os.environ)
        if kind == "crash":
            os._exit(9)
        raise RuntimeError(f"cannot draw {prompt}")

    def _file(self, name: str, content: str) -> Path:
        target = self.folder / name
        target.write_text(content, "utf-8")
        return Path(target)
