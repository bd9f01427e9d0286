"""What a server has to work with: from this machine, from options, from a class of RDS."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from vsl.errors import InvalidInput, Problem
from vsl.ops.tune.units import GB, MB, about

Storage = Literal["ssd", "nvme", "hdd"]
Workload = Literal["oltp", "web", "mixed"]
STORAGES: tuple[str, ...] = get_args(Storage)
WORKLOADS: tuple[str, ...] = get_args(Workload)

#: Less memory than this the formulas are not made for.
LEAST_RAM = 512 * MB
MOST_RAM = 64 * 1024 * GB
#: What the kernel writes into memory.limit_in_bytes for "no limit" is more than any machine has.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Machine:
    """What the server has. ram: bytes. connections: what is wanted; None leaves it to the rules.

    origin: where ram and cpus come from, in words.
    """

    ram: int
    cpus: int
    storage: Storage = "ssd"
    workload: Workload = "mixed"
    connections: int | None = None
    origin: str = "options"


@cache
def rds_classes() -> dict[str, tuple[int, int]]:
    """Class of RDS: processors, and memory in bytes."""
    path = Path(__file__).with_name("rds_classes.toml")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    largest: dict[str, str] = data.pop("largest")
    classes = {}
    for group in data.values():
        sizes: dict[str, list[int]] = group["sizes"]
        for family in group["families"]:
            for size, (cpus, memory) in sizes.items():
                classes[f"db.{family}.{size}"] = (cpus, memory * GB)
                if size == largest.get(family):
                    break
    return classes


def rds_machine(name: str) -> tuple[int, int]:
    """Processors and memory of a class of RDS. Raises ``InvalidInput`` when it is not known."""
    wanted = name.strip().lower()
    wanted = wanted if wanted.startswith("db.") else f"db.{wanted}"
    found = rds_classes().get(wanted)
    if found is None:
        near = difflib.get_close_matches(wanted, rds_classes(), n=3, cutoff=0.6)
        accepted = f"such as {', '.join(near)}" if near else "such as db.m6g.large"
        problem = Problem("--rds-class", f"{name!r} is not in VSL's table", accepted)
        hint = "Give --ram and --cpus of a class that is not there."
        raise InvalidInput([problem], hint=hint)
    return found


def check(machine: Machine) -> Machine:
    """The machine. Raises ``InvalidInput`` for what the formulas are not made for."""
    problems = []
    if not LEAST_RAM <= machine.ram <= MOST_RAM:
        accepted = f"{about(LEAST_RAM)} to {about(MOST_RAM)}"
        problems.append(Problem("--ram", f"{about(machine.ram)} is out of range", accepted))
    if not 1 <= machine.cpus <= 4096:
        problems.append(Problem("--cpus", "is out of range", "1 to 4096"))
    if problems:
        raise InvalidInput(problems)
    return machine


def this_machine(root: Path = Path("/")) -> tuple[int, int, str]:
    """Memory and processors that this process may use, and where that is known from.

    A container's limits count, those of groups around its own as well: memory.max and cpu.max of
    version 2 of control groups, memory.limit_in_bytes and cpu.cfs_quota_us of version 1. root: of
    the file system. The server is taken to have the same limits, being started beside this program.
    """
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cpus: float = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    origin = "this machine"
    memory_limits: list[int] = []
    cpu_limits: list[float] = []
    for folder in _groups(root):
        memory_limits += _memory_limit(folder)
        cpu_limits += _cpu_limit(folder)
    if memory_limits and min(memory_limits) < ram:
        ram, origin = min(memory_limits), "this container's limits"
    if cpu_limits and min(cpu_limits) < cpus:
        cpus, origin = min(cpu_limits), "this container's limits"
    return ram, max(math.ceil(cpus), 1), origin


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's control groups and of those around them."""
    mounted = root / "sys/fs/cgroup"
    lines: list[str] = []
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    for line in lines:
        _, kinds, path = [*line.split(":", 2), "", ""][:3]
        top = mounted if not kinds else mounted / kinds
        own = top / path.lstrip("/")
        yield own
        for parent in own.parents:
            if parent == top.parent:
                break
            yield parent
    # Within a container its own group is mounted at the top.
    yield from (mounted, mounted / "memory", mounted / "cpu")


def _memory_limit(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limit = int((folder / name).read_text())
            if 0 < limit < _NO_LIMIT:
                yield limit


def _cpu_limit(folder: Path) -> Iterator[float]:
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        yield int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota = (folder / "cpu.cfs_quota_us").read_text()
        period = (folder / "cpu.cfs_period_us").read_text()
        if int(quota) > 0:
            yield int(quota) / int(period)
