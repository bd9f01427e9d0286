"""Makes ``demo.svg``: a picture of a real run of ``vsl demo`` on a terminal.

``python docs/images/make_demo_picture.py`` runs it in a terminal of its own, with a home and a
folder that are thrown away, and draws what came out, letter by letter.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS = 96
PICTURE = Path(__file__).with_name("demo.svg")
# rich's own form, without the fonts that it would fetch from the network.
FORM = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Run the demonstration and draw it."""
    home = Path(tempfile.mkdtemp(prefix="vsl-picture-"))
    home.chmod(0o711)
    try:
        said = run(home)
    finally:
        shutil.rmtree(home)
    if str(home) in said or os.uname().nodename in said:
        raise SystemExit("the output names this machine; nothing was drawn")
    PICTURE.write_text(draw(said), encoding="utf-8")


def run(home: Path) -> str:
    """What the terminal got, control sequences included."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vsl", "demo"],
        cwd=home,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "VSL_HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
            "LOGNAME": "ada",
        },
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    output = b""
    try:
        while chunk := os.read(screen, 65536):
            output += chunk
    except OSError:
        pass  # Linux says so when the last program has left the terminal.
    os.close(screen)
    if process.wait() != 0:
        raise SystemExit(f"vsl demo failed:\n{output.decode()}")
    return output.decode().replace("\r\n", "\n")


def draw(said: str) -> str:
    """The picture of a terminal's lines."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text("$ vsl demo", style="bold"))
        for line in said.rstrip().split("\n"):
            # Progress is drawn over; what is left is what stands after the last return.
            console.print(Text.from_ansi(line.split("\r")[-1]), soft_wrap=True)
    return console.export_svg(
        title="VSL", theme=MONOKAI, code_format=FORM, unique_id="demo", font_aspect_ratio=0.61
    )


if __name__ == "__main__":
    main()
