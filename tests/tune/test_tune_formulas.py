"""The formulas, on machines of all sizes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsl.errors import InvalidInput
from vsl.ops.tune.formulas import (
    Target,
    autovacuum_max_workers,
    autovacuum_work_mem,
    effective_cache_size,
    maintenance_work_mem,
    max_connections,
    most_connections,
    parallel_workers,
    shared_buffers,
    targets,
    together,
    wal_buffers,
    work_mem,
)
from vsl.ops.tune.machine import LEAST_RAM, STORAGES, WORKLOADS, Machine, rds_classes
from vsl.ops.tune.units import GB, MB

RAM = st.integers(LEAST_RAM // MB, 16 * 1024 * 1024).map(lambda megabytes: megabytes * MB)
MACHINES = st.builds(
    Machine,
    ram=RAM,
    cpus=st.integers(1, 256),
    storage=st.sampled_from(STORAGES),
    workload=st.sampled_from(WORKLOADS),
)
MAJORS = st.integers(14, 18)


def target(machine: Machine, name: str, major: int = 18) -> Target:
    (found,) = (found for found in targets(machine, major) if found.name == name)
    return found


@given(MACHINES)
def test_all_together_fits_into_the_memory(machine: Machine) -> None:
    assert together(machine) <= machine.ram


@given(MACHINES, st.data())
def test_wanted_connections_fit_or_are_refused(machine: Machine, data: st.DataObject) -> None:
    most = most_connections(machine.ram)
    wanted = data.draw(st.integers(1, min(most, 100_000)))
    asked = dataclasses.replace(machine, connections=wanted)
    assert max_connections(asked) == wanted
    assert work_mem(asked) * wanted <= asked.ram / 4
    assert together(asked) <= asked.ram
    with pytest.raises(InvalidInput) as refusal:
        max_connections(dataclasses.replace(machine, connections=most + 1))
    assert f"up to {most}" in str(refusal.value)


@given(MACHINES, RAM)
def test_more_memory_never_means_less_of_anything(machine: Machine, more: int) -> None:
    small, large = sorted([machine.ram, more])
    less, most = (dataclasses.replace(machine, ram=ram) for ram in (small, large))
    for formula in (work_mem, max_connections):
        assert formula(less) <= formula(most)
    for of_ram in (
        shared_buffers,
        effective_cache_size,
        maintenance_work_mem,
        autovacuum_work_mem,
        wal_buffers,
    ):
        assert of_ram(small) <= of_ram(large)


@given(MACHINES, st.integers(1, 256))
def test_more_processors_never_mean_fewer_workers(machine: Machine, more: int) -> None:
    few, many = sorted([machine.cpus, more])
    assert autovacuum_max_workers(few) <= autovacuum_max_workers(many)
    assert parallel_workers(few) <= parallel_workers(many) <= 4


@given(MACHINES, MAJORS)
def test_amounts_are_whole_and_not_too_small(machine: Machine, major: int) -> None:
    found = {t.name: t.value for t in targets(machine, major)}
    for name, least in (
        ("shared_buffers", 128 * MB),
        ("effective_cache_size", 384 * MB),
        ("work_mem", 4 * MB),
        ("maintenance_work_mem", 32 * MB),
        ("wal_buffers", MB),
        ("min_wal_size", GB),
        ("max_wal_size", 4 * GB),
    ):
        value = found[name]
        assert isinstance(value, int)
        assert value % MB == 0
        assert value >= least
    assert float(found["maintenance_work_mem"]) <= 8 * GB
    assert float(found["autovacuum_work_mem"]) <= 2 * GB
    assert 32 <= int(found["max_connections"]) <= 300


@given(MACHINES, MAJORS)
def test_each_says_why_and_by_whom(machine: Machine, major: int) -> None:
    found = targets(machine, major)
    assert len({t.name for t in found}) == len(found)
    assert all(t.why and t.source for t in found)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        # 6 GB for (200 + 8) × 3 sorts; the same by pgtune's own page: 200 sessions, 8 GB, web.
        (Machine(8 * GB, 4, workload="web"), 9 * MB),
        (Machine(8 * GB, 4, workload="mixed"), 9 * MB),  # half of what 100 sessions can have
        (Machine(8 * GB, 4, workload="oltp"), 6 * MB),
        (Machine(64 * GB, 16, workload="oltp"), 51 * MB),
        (Machine(GB, 2, workload="oltp"), 4 * MB),
        (Machine(8 * GB, 4, workload="web", connections=20), 73 * MB),
    ],
)
def test_work_mem(machine: Machine, expected: int) -> None:
    assert work_mem(machine) == expected


def test_the_other_formulas_at_their_limits() -> None:
    assert shared_buffers(8 * GB) == 2 * GB
    assert effective_cache_size(8 * GB) == 6 * GB
    assert [maintenance_work_mem(ram * GB) for ram in (8, 128, 256)] == [512 * MB, 8 * GB, 8 * GB]
    assert [autovacuum_work_mem(ram * GB) for ram in (8, 32, 256)] == [512 * MB, 2 * GB, 2 * GB]
    assert [wal_buffers(ram) for ram in (512 * MB, GB, 2 * GB + 100 * MB, 8 * GB)] == [
        3 * MB,
        7 * MB,
        16 * MB,
        16 * MB,
    ]
    assert [autovacuum_max_workers(cpus) for cpus in (1, 15, 16, 31, 32)] == [3, 3, 4, 4, 5]
    assert [parallel_workers(cpus) for cpus in (4, 5, 8, 64)] == [2, 3, 4, 4]
    connections = [max_connections(Machine(64 * GB, 4, workload=w)) for w in ("oltp", "web")]
    assert connections == [300, 200]
    assert [max_connections(Machine(ram, 4)) for ram in (512 * MB, GB, 2 * GB)] == [32, 64, 100]


def test_what_depends_on_disk_version_and_size() -> None:
    ssd, hdd = Machine(8 * GB, 4), Machine(GB, 2, storage="hdd")
    nvme = Machine(8 * GB, 4, storage="nvme")
    assert [target(m, "random_page_cost").value for m in (ssd, nvme, hdd)] == [1.1, 1.1, 4.0]
    concurrency = [target(m, "effective_io_concurrency").value for m in (ssd, nvme, hdd)]
    assert concurrency == [200, 1000, 2]
    assert [target(ssd, "wal_compression", m).value for m in (14, 15)] == ["on", "lz4"]
    assert [target(ssd, "effective_io_concurrency", m).gentle for m in (17, 18)] == [False, True]
    assert "huge_pages" in {t.name for t in targets(ssd, 18)}
    assert "huge_pages" not in {t.name for t in targets(hdd, 18)}
    assert "max_worker_processes" in {t.name for t in targets(ssd, 18)}
    assert "max_worker_processes" not in {t.name for t in targets(hdd, 18)}


def test_departures_from_the_seed_say_why() -> None:
    named = {t.name: t.seed for t in targets(Machine(8 * GB, 4, workload="web"), 18) if t.seed}
    assert named.keys() == {
        "shared_buffers",
        "effective_cache_size",
        "work_mem",
        "maintenance_work_mem",
        "max_connections",
    }
    assert "here 25 % are 2GB" in (named["shared_buffers"] or "")
    assert "pgtune's number for web" in (named["max_connections"] or "")
    # The machine that the seed's shared_buffers stand for.
    small = {t.name for t in targets(Machine(GB, 2), 18) if t.seed}
    assert "shared_buffers" not in small


def test_every_class_of_rds_can_be_tuned() -> None:
    for cpus, ram in rds_classes().values():
        machine = Machine(ram, cpus)
        assert together(machine) <= ram
