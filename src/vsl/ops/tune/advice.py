"""Holds what settings are against what they should be. Pure: no server here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from vsl.db.statements_care import Host, Override, Setting
from vsl.ops.tune.evidence import GOOD_HITS, LONG_ENOUGH, REQUESTED_SHARE, Evidence
from vsl.ops.tune.formulas import Target, max_connections
from vsl.ops.tune.machine import Machine
from vsl.ops.tune.units import base_value, show_value

Level = Literal["change", "consider", "fine", "cannot tell"]
#: A value from three quarters to four thirds of the target is near it.
NEAR = 0.75
#: Above so many times the target it is far too large.
FAR = 2.0
#: Part of max_connections from which on they are short, as `vsl db doctor` warns.
SHORT = 0.70

#: What Aurora keeps by itself: its storage is another, and its caches are set by its makers.
OF_AURORA = frozenset(
    {
        "shared_buffers",
        "effective_cache_size",
        "max_wal_size",
        "min_wal_size",
        "wal_buffers",
        "wal_compression",
        "checkpoint_completion_target",
        "huge_pages",
        "random_page_cost",
        "effective_io_concurrency",
    }
)

#: What a setting's source is called by people.
SOURCES: Mapping[str, str] = {
    "default": "default",
    "configuration file": "file",
    "command line": "the server's command line",
    "environment variable": "the server's environment",
    "database": "this database",
    "user": "this role",
    "database user": "this role in this database",
    "client": "this connection",
    "session": "this session",
    "override": "the server itself",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """One setting. live, recommended: as the setting takes them; live is None when hidden.

    restart: whether a change needs one. pending: a value in the file waits for one already.
    source, file: where the live value comes from. overrides: roles and databases with a value of
    their own. evidence: what the server has counted about it. statement: the ready line, None where
    there is none. parameter: name, value and context for a parameter group.
    """

    name: str
    level: Level
    live: str | None
    recommended: str
    restart: bool
    pending: bool
    source: str | None
    file: str | None
    why: str
    basis: str
    evidence: str | None = None
    seed: str | None = None
    overrides: tuple[str, ...] = ()
    remark: str | None = None
    statement: str | None = None
    parameter: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was asked of the server."""

    host: Host
    machine: Machine
    evidence: Evidence
    settings: Mapping[str, Setting]
    overrides: Sequence[Override] = field(default_factory=tuple)


def advise(target: Target, found: Findings) -> Advice:
    """What to do about a setting."""
    setting = found.settings.get(target.name)
    if setting is None:
        return _hidden(target, found.host)
    target = _possible(target, setting)
    level, evidence = _judge(target, setting, found)
    if found.host.is_aurora and target.name in OF_AURORA:
        return replace(
            _advice(target, setting, found, "fine", None),
            why="Aurora keeps it by itself",
            recommended=_live(setting),
            seed=None,
        )
    if target.gentle and level == "change":
        level = "consider"
    advice = _advice(target, setting, found, level, evidence)
    return _with_ready_line(advice, target, setting, found)


def _hidden(target: Target, host: Host) -> Advice:
    recommended = target.value if isinstance(target.value, str) else _guess(target)
    role = quoted(host.role)
    remark = f"{host.role} may not see it: GRANT pg_read_all_settings TO {role};"
    if host.sees_settings:
        remark = "this server does not have it"
    return Advice(
        target.name,
        "cannot tell",
        None,
        recommended,
        restart=False,
        pending=False,
        source=None,
        file=None,
        why=target.why,
        basis=target.source,
        seed=target.seed,
        remark=remark,
    )


def _guess(target: Target) -> str:
    return show_value(target.value, "B" if float(target.value) >= 1024 else None)


def _possible(target: Target, setting: Setting) -> Target:
    """The target as this server can take it."""
    if setting.words and isinstance(target.value, str) and target.value not in setting.words:
        return replace(target, value="on")  # built without lz4
    if setting.most and setting.type in ("integer", "real") and not isinstance(target.value, str):
        most = base_value(setting.most, setting.unit)
        if target.value > most >= 0:
            return replace(target, value=most)
    return target


def _advice(
    target: Target, setting: Setting, found: Findings, level: Level, evidence: str | None
) -> Advice:
    overrides = tuple(f"{_whose(o)}: {o.value}" for o in found.overrides if o.name == target.name)
    return Advice(
        target.name,
        level,
        _live(setting),
        _recommended(target, setting),
        restart=setting.context == "postmaster",
        pending=setting.pending_restart,
        source=SOURCES.get(setting.source, setting.source),
        file=setting.file,
        why=target.why,
        basis=target.source,
        evidence=evidence,
        seed=target.seed,
        overrides=overrides,
        remark="a restart is pending, and brings another value"
        if setting.pending_restart
        else None,
    )


def _whose(override: Override) -> str:
    who = f"role {override.role}" if override.role else "all roles"
    return who if override.database is None else f"{who} in database {override.database}"


def _live(setting: Setting) -> str:
    if setting.type in ("integer", "real") and setting.unit is not None:
        return show_value(base_value(setting.setting, setting.unit), setting.unit)
    return setting.setting


def _recommended(target: Target, setting: Setting) -> str:
    if target.rule == "contains":
        libraries = read_list(setting.setting)
        wanted = str(target.value)
        return ", ".join(libraries if wanted in libraries else [*libraries, wanted])
    return show_value(target.value, setting.unit)


def read_list(text: str) -> list[str]:
    """The names of a setting that is a list."""
    return [part.strip().strip('"') for part in text.split(",") if part.strip()]


_Judged = tuple[Level, str | None]


def _judge(target: Target, setting: Setting, found: Findings) -> _Judged:
    special = _SPECIAL.get(target.name)
    if special is not None:
        return special(target, setting, found)
    return _by_rule(target, setting), None


def _by_rule(target: Target, setting: Setting) -> Level:
    if target.rule == "contains":
        return "fine" if str(target.value) in read_list(setting.setting) else "change"
    if isinstance(target.value, str):
        return "fine" if setting.setting == target.value else "change"
    live = base_value(setting.setting, setting.unit)
    if target.rule == "least":
        return "fine" if live >= target.value * 0.99 else "change"
    if target.rule == "most":
        return "fine" if live <= target.value else "change"
    if target.rule == "exactly":
        return "fine" if live == target.value else "change"
    return _near(live, target.value)


def _near(live: float, wanted: float) -> Level:
    if NEAR * wanted <= live <= wanted / NEAR:
        return "fine"
    return "consider" if wanted < live <= FAR * wanted else "change"


def _shared_buffers(target: Target, setting: Setting, found: Findings) -> _Judged:
    level = _by_rule(target, setting)
    evidence = found.evidence
    small = base_value(setting.setting, setting.unit) < float(target.value)
    hits = evidence.hit_rate if evidence.window >= LONG_ENOUGH else None
    if level == "change" and small and hits is not None and hits >= GOOD_HITS:
        level = "consider"  # more would find hardly more
    return level, evidence.of_cache()


def _work_mem(target: Target, setting: Setting, found: Findings) -> _Judged:
    evidence, wanted = found.evidence, float(target.value)
    live = base_value(setting.setting, setting.unit)
    level = _near(live, wanted)
    if level != "fine" and live < wanted:
        level = "consider"
        if evidence.temp_files:
            level = "change"
        elif evidence.window >= LONG_ENOUGH:
            level = "fine"  # nothing has needed more
    elif level != "fine":
        sessions = max_connections(found.machine)
        level = "change" if live * sessions > found.machine.ram / 2 else "consider"
    return level, evidence.of_temporary_files()


def _max_wal_size(target: Target, setting: Setting, found: Findings) -> _Judged:
    evidence = found.evidence
    level = _by_rule(target, setting)
    if level != "fine" and evidence.requested is None:
        level = "consider"
    elif level != "fine" and evidence.requested is not None:
        level = "change" if evidence.requested > REQUESTED_SHARE else "fine"
    elif evidence.requested is not None and evidence.requested > REQUESTED_SHARE:
        return "consider", f"{evidence.of_checkpoints()}: even this is small for so many writes"
    return level, evidence.of_checkpoints()


def _max_connections(target: Target, setting: Setting, found: Findings) -> _Judged:
    live, used = int(setting.setting), found.evidence.connected
    wanted = int(target.value)
    words = f"{used} of {live} are connected now"
    if live < wanted:
        asked = found.machine.connections is not None
        if asked or used >= SHORT * live:
            return "change", words
        return "fine", words
    if live > wanted / NEAR:
        if used > wanted:
            return "consider", f"{words}: put a pooler between first, see `vsl db pool`"
        return "consider", words
    return "fine", words


def _autovacuum_work_mem(target: Target, setting: Setting, found: Findings) -> _Judged:
    live = base_value(setting.setting, setting.unit)
    if live < 0 and float(target.value) < 0:
        return "fine", None
    if live < 0:
        maintenance = found.settings.get("maintenance_work_mem")
        live = base_value(maintenance.setting, maintenance.unit) if maintenance else 0
        return ("fine" if live <= float(target.value) else "change"), None
    if float(target.value) < 0:
        return "consider", None
    return _near(live, float(target.value)), None


def _words_that_do(*words: str) -> Callable[[Target, Setting, Findings], _Judged]:
    def judge(_: Target, setting: Setting, __: Findings) -> _Judged:
        return ("fine" if setting.setting in words else "change"), None

    return judge


def _wal_buffers(target: Target, setting: Setting, _: Findings) -> _Judged:
    if setting.source in ("default", "override"):
        return "fine", "left at -1, it follows shared_buffers at the next start"
    return _by_rule(target, setting), None


def _idle_timeout(target: Target, setting: Setting, _: Findings) -> _Judged:
    live = base_value(setting.setting, setting.unit)
    return ("fine" if 0 < live <= float(target.value) else "change"), None


_SPECIAL: Mapping[str, Callable[[Target, Setting, Findings], _Judged]] = {
    "shared_buffers": _shared_buffers,
    "work_mem": _work_mem,
    "max_wal_size": _max_wal_size,
    "max_connections": _max_connections,
    "autovacuum_work_mem": _autovacuum_work_mem,
    "wal_buffers": _wal_buffers,
    "huge_pages": _words_that_do("try", "on"),
    "wal_compression": _words_that_do("on", "pglz", "lz4", "zstd"),
    "idle_in_transaction_session_timeout": _idle_timeout,
}


def _with_ready_line(advice: Advice, target: Target, setting: Setting, found: Findings) -> Advice:
    """The advice with the statement, or the parameter of a group, that carries it out."""
    if advice.level not in ("change", "consider"):
        return advice
    if target.name == "shared_preload_libraries" and not found.host.has_statements_library:
        return replace(
            advice,
            level="cannot tell",
            remark="the server does not have pg_stat_statements: install its contrib package first",
        )
    if setting.source in ("command line", "environment variable"):
        where = SOURCES[setting.source]
        return replace(advice, remark=f"it is set on {where}, which wins: change it there")
    value = literal(advice.recommended, as_list=target.rule == "contains")
    if setting.source in ("database", "user", "database user", "client", "session"):
        return _beside_override(advice, value, setting, found.host)
    if found.host.is_rds:
        parameter = (target.name, parameter_value(target, setting, advice), setting.context)
        return replace(advice, parameter=parameter)
    return replace(advice, statement=f"ALTER SYSTEM SET {target.name} = {value};")


def _beside_override(advice: Advice, value: str, setting: Setting, host: Host) -> Advice:
    database, role = quoted(host.database), quoted(host.role)
    owners = {
        "database": f"DATABASE {database}",
        "user": f"ROLE {role}",
        "database user": f"ROLE {role} IN DATABASE {database}",
    }
    owner = owners.get(setting.source)
    if owner is None:
        return replace(advice, remark="this connection sets it itself: look without that")
    remark = "what all others have cannot be seen from a session that has its own"
    return replace(advice, statement=f"ALTER {owner} SET {advice.name} = {value};", remark=remark)


def literal(value: str, *, as_list: bool = False) -> str:
    """A value as ALTER SYSTEM takes it; each name of a list by itself, or they become one."""
    parts = value.split(", ") if as_list else [value]
    return ", ".join("'" + part.replace("'", "''") + "'" for part in parts)


def quoted(name: str) -> str:
    """A name as SQL always takes it."""
    return '"' + name.replace('"', '""') + '"'


def parameter_value(target: Target, setting: Setting, advice: Advice) -> str:
    """A value as a parameter group of RDS takes it: a number in the setting's unit, 0 or 1."""
    if setting.type == "bool":
        return "1" if advice.recommended == "on" else "0"
    if target.rule == "contains":
        return advice.recommended.replace(", ", ",")
    if isinstance(target.value, str) or setting.unit is None:
        return advice.recommended
    if target.value < 0:
        return str(int(target.value))
    return f"{target.value / base_value('1', setting.unit):.0f}"
