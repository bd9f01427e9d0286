"""What a server has to work with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsl.errors import InvalidInput
from vsl.ops.tune.machine import Machine, check, rds_classes, rds_machine, this_machine
from vsl.ops.tune.units import (
    GB,
    KB,
    MB,
    about,
    base_value,
    read_memory,
    show_memory,
    show_time,
    show_value,
)

ALL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
CPUS = len(os.sched_getaffinity(0))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_it_is_all_of_the_machine(tmp_path: Path) -> None:
    assert this_machine(tmp_path) == (ALL, CPUS, "this machine")


@pytest.mark.parametrize(
    "files",
    [
        # Version 2: within a container, its own group is the top.
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{512 * MB}\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        },
        # Its own group has no limit, the one around it has.
        {
            "proc/self/cgroup": "0::/system.slice/db.service\n",
            "sys/fs/cgroup/system.slice/db.service/memory.max": "max\n",
            "sys/fs/cgroup/system.slice/db.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/system.slice/memory.max": f"{512 * MB}\n",
            "sys/fs/cgroup/system.slice/cpu.max": "50000 100000\n",
        },
        # Version 1.
        {
            "proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n",
            "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": f"{512 * MB}\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
        },
        # Version 1, mounted within a container.
        {
            "proc/self/cgroup": "5:memory:/docker/x\n4:cpu:/docker/x\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{512 * MB}\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
    ids=["v2", "v2 around", "v1", "v1 inside"],
)
def test_a_containers_limits_count(tmp_path: Path, files: dict[str, str]) -> None:
    assert this_machine(write(tmp_path, files)) == (512 * MB, 1, "this container's limits")


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"},
        {
            "proc/self/cgroup": "5:memory:/\n4:cpu:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        {"proc/self/cgroup": "nonsense\n", "sys/fs/cgroup/memory.max": "nonsense\n"},
    ],
    ids=["v2", "v1", "nonsense"],
)
def test_no_limit_is_no_limit(tmp_path: Path, files: dict[str, str]) -> None:
    assert this_machine(write(tmp_path, files)) == (ALL, CPUS, "this machine")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("db.m6g.large", (2, 8 * GB)),
        ("m6g.large", (2, 8 * GB)),
        ("DB.R6I.32XLARGE", (128, 1024 * GB)),
        ("db.t4g.micro", (2, GB)),
        ("db.t3.2xlarge", (8, 32 * GB)),
        ("db.m5.24xlarge", (96, 384 * GB)),
        ("db.r7g.16xlarge", (64, 512 * GB)),
    ],
)
def test_classes_of_rds(name: str, expected: tuple[int, int]) -> None:
    assert rds_machine(name) == expected


def test_all_classes_are_of_a_kind() -> None:
    families = {name.split(".")[1] for name in rds_classes()}
    assert families == {"m5", "m6g", "m6i", "m7g", "r5", "r6g", "r6i", "r7g", "t3", "t4g"}
    for name, (cpus, ram) in rds_classes().items():
        per_cpu = {"m": 4 * GB, "r": 8 * GB}.get(name[3])
        assert per_cpu is None or ram == cpus * per_cpu
    assert "db.m6g.24xlarge" not in rds_classes()


def test_an_unknown_class_is_refused_with_its_neighbours() -> None:
    with pytest.raises(InvalidInput) as refusal:
        rds_machine("db.m6g.larg")
    assert "such as db.m6g.large" in str(refusal.value)
    assert refusal.value.hint == "Give --ram and --cpus of a class that is not there."


@pytest.mark.parametrize(
    ("machine", "field"),
    [
        (Machine(512 * MB - 1, 1), "--ram"),
        (Machine(64 * 1024 * GB + 1, 1), "--ram"),
        (Machine(GB, 0), "--cpus"),
        (Machine(GB, 4097), "--cpus"),
    ],
)
def test_what_the_formulas_are_not_made_for(machine: Machine, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check(machine)
    assert [problem.field for problem in refusal.value.problems] == [field]


def test_the_least_is_enough() -> None:
    assert check(Machine(512 * MB, 1)).ram == 512 * MB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8GB", 8 * GB),
        ("8 gb", 8 * GB),
        ("1.5GB", 1536 * MB),
        ("512M", 512 * MB),
        ("2TiB", 2048 * GB),
    ],
)
def test_amounts_that_people_type(text: str, expected: int) -> None:
    assert read_memory("--ram", text) == expected


@pytest.mark.parametrize(
    "text", ["", "8", "GB", "-8GB", "8XB", "eight GB", "8GB and more", "1e9GB"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_memory("--ram", text)
    assert str(refusal.value).startswith("--ram: is not an amount of memory")


def test_amounts_as_settings_have_them() -> None:
    assert base_value("262144", "8kB") == 2 * GB
    assert base_value("4096", "kB") == 4 * MB
    assert base_value("5", "min") == 300_000
    assert base_value("-1", "kB") == -1
    assert base_value("100", None) == 100
    assert [show_memory(v) for v in (2 * GB, 1536 * MB, 4 * MB + KB, 3, -1)] == [
        "2GB",
        "1536MB",
        "4097kB",
        "3B",
        "-1",
    ]
    assert [show_time(v) for v in (0, 15_000, 300_000, 1_500, 86_400_000, -1)] == [
        "0",
        "15s",
        "5min",
        "1500ms",
        "1d",
        "-1",
    ]
    assert [show_value(v, u) for v, u in ((1.1, None), (200, None), ("on", None), (MB, "kB"))] == [
        "1.1",
        "200",
        "on",
        "1MB",
    ]
    assert [about(v) for v in (512, 8 * GB, 1536 * MB, 2048 * GB)] == [
        "512 B",
        "8 GB",
        "1.5 GB",
        "2048 GB",
    ]
