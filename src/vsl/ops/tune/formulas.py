"""What each setting should be on a machine. Pure: no server here.

The formulas are pgtune's (le0pard/pgtune), as docs and source give them, where no other source is
named; where VSL goes further it says so. All of it together must fit into the machine's memory,
which pgtune's floor of 4 MB for work_mem alone does not see to:

    shared_buffers + max_connections × work_mem + maintenance_work_mem
        + autovacuum_max_workers × autovacuum_work_mem + wal_buffers  ≤  RAM
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vsl.errors import InvalidInput, Problem
from vsl.ops.tune.machine import Machine
from vsl.ops.tune.units import GB, MB, about, show_memory

#: How a live value is held against the target: near it, at least, at most, exactly, one of several
#: words, a list that contains it.
Rule = Literal["near", "least", "most", "exactly", "contains"]

WORK_MEM_LEAST = 4 * MB
#: PostgreSQL's own default, which a machine with few processors keeps.
WORKER_PROCESSES = 8
HUGE_PAGES_FROM = 2 * GB
PGTUNE = "pgtune"


@dataclass(frozen=True, slots=True)
class Target:
    """What a setting should be. value: bytes, milliseconds, a number, or a word.

    rule: how it is held against what is. why: in one line. source: of the formula. seed: in what
    and why it departs from the seed's example, None where it does not. gentle: it is a matter of
    taste, or of a gain that depends: never more than to be considered.
    """

    name: str
    value: float | str
    rule: Rule
    why: str
    source: str = PGTUNE
    seed: str | None = None
    gentle: bool = False


def shared_buffers(ram: int) -> int:
    """A quarter of the memory. pgtune; RDS's default is the same."""
    return _whole(ram / 4)


def effective_cache_size(ram: int) -> int:
    """Three quarters of the memory: what the server and the system cache together."""
    return _whole(ram * 3 / 4)


def maintenance_work_mem(ram: int) -> int:
    """A sixteenth of the memory, 8 GB at most."""
    return min(_whole(ram / 16), 8 * GB)


def autovacuum_work_mem(ram: int) -> int:
    """As maintenance_work_mem, 2 GB at most: each worker may take it."""
    return min(maintenance_work_mem(ram), 2 * GB)


def autovacuum_max_workers(cpus: int) -> int:
    """3, PostgreSQL's default; 4 from 16 processors on, 5 from 32."""
    return 5 if cpus >= 32 else 4 if cpus >= 16 else 3


def most_connections(ram: int) -> int:
    """Sessions of which each can have the least work_mem out of a quarter of the memory.

    Ours: with pgtune's numbers alone, 200 sessions of 4 MB would be more than a machine of 512 MB.
    """
    return ram // 4 // WORK_MEM_LEAST


def max_connections(machine: Machine) -> int:
    """What is wanted, else 300 for OLTP, 200 for the web, 100 for a mixture, as memory allows.

    Raises ``InvalidInput`` when more are wanted than the memory allows.
    """
    most = most_connections(machine.ram)
    if machine.connections is None:
        return min({"oltp": 300, "web": 200, "mixed": 100}[machine.workload], most)
    if machine.connections > most:
        reason = f"{machine.connections} sessions do not fit into {about(machine.ram)} of memory"
        problem = Problem("--connections", reason, f"up to {most}")
        hint = "Put a pooler between: `vsl db pool` says how large its pool can be."
        raise InvalidInput([problem], hint=hint)
    return machine.connections


def work_mem(machine: Machine) -> int:
    """What shared_buffers leave, for three sorts in each session and worker; 4 MB at least.

    (RAM - shared_buffers) ÷ ((max_connections + worker processes) × 3), half of it for a mixture.
    """
    free = machine.ram - shared_buffers(machine.ram)
    share = free / ((max_connections(machine) + worker_processes(machine.cpus)) * 3)
    if machine.workload == "mixed":
        share /= 2
    return max(_whole(share), WORK_MEM_LEAST)


def worker_processes(cpus: int) -> int:
    """One for each processor, PostgreSQL's 8 at least."""
    return max(cpus, WORKER_PROCESSES)


def parallel_workers(cpus: int) -> int:
    """Workers of one query: half of the processors, 4 at most."""
    return min(-(-cpus // 2), 4)


def wal_sizes(workload: str) -> tuple[int, int]:
    """min_wal_size and max_wal_size: 2 and 8 GB for OLTP, else 1 and 4 GB."""
    return (2 * GB, 8 * GB) if workload == "oltp" else (1 * GB, 4 * GB)


def wal_buffers(ram: int) -> int:
    """3 % of shared_buffers, 16 MB at most and 1 MB at least."""
    return max(min(_whole(shared_buffers(ram) * 0.03), 16 * MB), MB)


def together(machine: Machine) -> int:
    """Bytes that everything takes at worst, when each session sorts once."""
    ram = machine.ram
    return (
        shared_buffers(ram)
        + max_connections(machine) * work_mem(machine)
        + maintenance_work_mem(ram)
        + autovacuum_max_workers(machine.cpus) * autovacuum_work_mem(ram)
        + wal_buffers(ram)
    )


def _whole(value: float) -> int:
    """Whole megabytes, rounded down."""
    return int(value // MB) * MB


def targets(machine: Machine, major: int) -> list[Target]:
    """What all settings should be, for a server of this major version."""
    groups: tuple[Callable[[Machine, int], list[Target]], ...] = (
        _memory,
        _connections,
        _wal,
        _planner,
        _autovacuum,
        _parallel,
        _sessions,
        _sight,
    )
    return [target for group in groups for target in group(machine, major)]


def _memory(machine: Machine, _: int) -> list[Target]:
    ram, size = machine.ram, about(machine.ram)
    buffers, cache = shared_buffers(ram), effective_cache_size(ram)
    maintenance, autovacuum = maintenance_work_mem(ram), autovacuum_work_mem(ram)
    each = work_mem(machine)
    return [
        Target(
            "shared_buffers",
            buffers,
            "near",
            f"a quarter of {size}",
            seed=_seed(buffers, 256 * MB, f"is 25 % of 1 GB; here 25 % are {show_memory(buffers)}"),
        ),
        Target(
            "effective_cache_size",
            cache,
            "near",
            f"three quarters of {size}: tells the planner what is cached, takes nothing",
            seed=_seed(
                cache,
                GB,
                "is all of the 1 GB that its shared_buffers stand for, where its comment says "
                f"50 to 75 %; here 75 % are {show_memory(cache)}",
            ),
        ),
        Target(
            "work_mem",
            each,
            "near",
            f"what {max_connections(machine)} sessions can have each, three times over",
            seed=_seed(
                each,
                16 * MB,
                f"does not look at how many sessions share {size}: "
                f"{max_connections(machine)} here, which leaves {show_memory(each)} for each",
            ),
        ),
        Target(
            "maintenance_work_mem",
            maintenance,
            "near",
            f"a sixteenth of {size}: VACUUM and index builds",
            seed=_seed(
                maintenance,
                128 * MB,
                f"is right for 2 GB; a sixteenth of {size} is {show_memory(maintenance)}",
            ),
        ),
        Target(
            "autovacuum_work_mem",
            -1 if autovacuum == maintenance else autovacuum,
            "exactly" if autovacuum == maintenance else "near",
            "as maintenance_work_mem, but at most 2 GB for each worker",
        ),
        *(
            [Target("huge_pages", "try", "exactly", "shared_buffers are 2 GB or more")]
            if buffers >= HUGE_PAGES_FROM
            else []
        ),
    ]


def _seed(value: int, example: int, words: str) -> str | None:
    return None if value == example else f"the seed's {show_memory(example)} {words}"


def _connections(machine: Machine, _: int) -> list[Target]:
    wanted = max_connections(machine)
    seed = None if wanted == 100 else f"the seed's 100 is an example; {wanted} is "
    if seed and machine.connections is not None:
        seed += "what was asked for"
    elif seed and wanted == most_connections(machine.ram):
        seed += f"what {about(machine.ram)} can give {show_memory(WORK_MEM_LEAST)} each"
    elif seed:
        seed += f"pgtune's number for {machine.workload}"
    why = "each takes memory whether it works or not; more clients go through a pooler"
    return [Target("max_connections", wanted, "near", why, seed=seed)]


def _wal(machine: Machine, major: int) -> list[Target]:
    least, most = wal_sizes(machine.workload)
    kind = "lz4" if major >= 15 else "on"
    return [
        Target("max_wal_size", most, "least", "room for writes until a checkpoint has to be made"),
        Target("min_wal_size", least, "least", "files that are used again, not made", gentle=True),
        Target("checkpoint_completion_target", 0.9, "least", "spreads a checkpoint's writes"),
        Target(
            "wal_buffers", wal_buffers(machine.ram), "least", "3 % of shared_buffers, up to 16 MB"
        ),
        Target(
            "wal_compression",
            kind,
            "exactly",
            "whole pages in the log become smaller for little work",
            source="PostgreSQL's documentation; lz4 from 15 on",
            gentle=True,
        ),
    ]


def _planner(machine: Machine, major: int) -> list[Target]:
    cost = 4.0 if machine.storage == "hdd" else 1.1
    reads = {"ssd": 200, "nvme": 1000, "hdd": 2}[machine.storage]
    return [
        Target(
            "random_page_cost",
            cost,
            "near",
            f"what a page out of order costs on {machine.storage.upper()}",
        ),
        Target(
            "effective_io_concurrency",
            reads,
            "least",
            f"reads at a time that {machine.storage.upper()} takes",
            # 18 reads ahead by itself, and its default of 16 was measured for that.
            gentle=major >= 18,
        ),
        Target(
            "jit",
            "off",
            "exactly",
            "VSL's statements are short: compiling them costs more than it gives",
            source="reference of VSL: off for OLTP",
        ),
    ]


def _autovacuum(machine: Machine, _: int) -> list[Target]:
    return [
        Target(
            "autovacuum", "on", "exactly", "nothing else removes dead rows", source="PostgreSQL"
        ),
        Target(
            "autovacuum_max_workers",
            autovacuum_max_workers(machine.cpus),
            "least",
            "tables that are vacuumed at a time",
        ),
        Target(
            "autovacuum_naptime",
            15_000,
            "most",
            "vsl.dispatch is a queue: each claim steps over the rows that died since",
            source="VSL's own",
            gentle=True,
        ),
    ]


def _parallel(machine: Machine, _: int) -> list[Target]:
    if machine.cpus < 4:
        return []  # PostgreSQL's defaults
    per_query = parallel_workers(machine.cpus)
    why = "as many as there are processors"
    return [
        Target("max_worker_processes", worker_processes(machine.cpus), "least", why),
        Target("max_parallel_workers", machine.cpus, "least", why, gentle=True),
        Target(
            "max_parallel_workers_per_gather",
            per_query,
            "most",
            "half of the processors for one query, four at most",
            gentle=True,
        ),
        Target(
            "max_parallel_maintenance_workers",
            per_query,
            "least",
            "half of the processors for one build of an index, four at most",
            gentle=True,
        ),
    ]


def _sessions(_: Machine, __: int) -> list[Target]:
    return [
        Target(
            "idle_in_transaction_session_timeout",
            300_000,
            "most",
            "a forgotten transaction keeps dead rows; `vsl db doctor` fails on one of 5 minutes",
            source="VSL's own",
        )
    ]


def _sight(_: Machine, __: int) -> list[Target]:
    return [
        Target(
            "shared_preload_libraries",
            "pg_stat_statements",
            "contains",
            "`vsl db slow` shows slow statements by it",
            source="VSL's own",
        ),
        Target(
            "track_io_timing",
            "on",
            "exactly",
            "tells waiting for the disk from working",
            source="VSL's own",
        ),
        Target(
            "log_lock_waits",
            "on",
            "exactly",
            "who waited for whom is in the log, with the statement's text unless "
            "log_min_error_statement is panic",
            source="VSL's own",
            gentle=True,
        ),
    ]
