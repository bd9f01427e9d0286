"""What the shell offers after Tab."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cli.program import Up, Vsl

from vsl.domain.jobs import JOB_STATUSES


def complete(vsl: Vsl, line: str, **variables: str) -> list[str]:
    """What bash gets for a line with the cursor at its end."""
    words = line.split(" ")
    done = vsl(
        _VSL_COMPLETE="complete_bash",
        COMP_WORDS="\n".join(words),
        COMP_CWORD=str(len(words) - 1),
        **variables,
    )
    assert (done.status, done.err) == (0, ""), line
    return [item.strip() for item in done.out.splitlines() if item.strip()]


def test_the_script_for_bash(vsl: Vsl) -> None:
    """The shell is the one that the program is run from."""
    done = subprocess.run(
        ["/bin/bash", "-c", f"{' '.join(vsl.program)} --show-completion; exit $?"],
        env=vsl.environment(PATH="/usr/bin:/bin"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "complete -o default -F _vsl_completion vsl" in done.stdout
    assert "_VSL_COMPLETE=complete_bash" in done.stdout


def test_bash_uses_it(vsl: Vsl, tmp_path: Path) -> None:
    program = tmp_path / "vsl"
    program.write_text(f'#!/bin/sh\nexec {" ".join(vsl.program)} "$@"\n')
    program.chmod(0o755)
    script = """
        source <(vsl --show-completion bash)
        COMP_WORDS=(vsl jobs list --status c); COMP_CWORD=4
        _vsl_completion vsl
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env=vsl.environment(PATH=f"{tmp_path}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["completed", "cancelled"], "")


def test_commands_and_options(vsl: Vsl) -> None:
    assert complete(vsl, "vsl gen") == ["generate"]
    assert set(complete(vsl, "vsl jobs ")) == {
        *("list", "show", "watch", "cancel", "retry", "resolve")
    }
    assert complete(vsl, "vsl jobs list --st") == ["--status"]
    assert complete(vsl, "vsl jobs list --status ") == list(JOB_STATUSES)
    assert complete(vsl, "vsl jobs list --status p") == ["pending", "processing"]
    assert complete(vsl, "vsl models serve vsl-s") == ["vsl-speech"]
    assert complete(vsl, "vsl models add x --makes ") == ["video", "image", "audio"]


def test_names_out_of_the_database(up: Up) -> None:
    assert complete(up.vsl, "vsl generate vsl-") == ["vsl-image", "vsl-speech", "vsl-video"]
    assert complete(up.vsl, "vsl models show vsl-i") == ["vsl-image"]
    assert {"width=", "height="} < set(complete(up.vsl, "vsl generate vsl-image "))
    job = up.vsl.json("generate", "vsl-speech", "--prompt", "a word")["job"]["job_id"]
    assert job in complete(up.vsl, "vsl jobs show job_")
    assert complete(up.vsl, f"vsl jobs show {job[:-1]}") == [job]


@pytest.mark.parametrize(
    "variables",
    [{}, {"DATABASE_URL": "postgresql://u@127.0.0.1:9/d"}, {"VSL_HOEM": "x"}],
    ids=["none", "down", "misspelt"],
)
def test_nothing_without_a_database(vsl: Vsl, variables: dict[str, str]) -> None:
    for line in ("vsl generate vsl-", "vsl jobs show ", "vsl generate vsl-image "):
        assert complete(vsl, line, **variables) == []
