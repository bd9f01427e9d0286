"""Looks at a server and says what to change, with the lines that do it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from vsl.db.pool import connect, is_pooled
from vsl.db.statement import Connection, execute, fetch, fetch_one
from vsl.db.statements_care import (
    DescribeHost,
    Host,
    LimitMaintenance,
    ListServiceLogins,
    ListSettingOverrides,
    ListSettings,
    ServiceLogin,
    Setting,
)
from vsl.errors import DatabaseError
from vsl.ops.tune.advice import Advice, Findings, advise, quoted
from vsl.ops.tune.evidence import Evidence, gather
from vsl.ops.tune.formulas import targets
from vsl.ops.tune.machine import Machine

APPLICATION = "vsl tune"
#: Most parameters of one call of modify-db-parameter-group (Amazon RDS API reference).
PARAMETERS_AT_ONCE = 20
#: statement_timeout of the logins of services. A submission or a page takes milliseconds; a worker
#: may finish a large batch at once.
TIMEOUTS = {"vsl_app": "30s", "vsl_worker": "60s"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. logins: advice on logins of services, by their names."""

    host: Host
    machine: Machine
    evidence: Evidence
    settings: tuple[Advice, ...]
    logins: tuple[Advice, ...]

    @property
    def advice(self) -> tuple[Advice, ...]:
        """All of it."""
        return self.settings + self.logins

    def of(self, *levels: str) -> list[Advice]:
        """What is at one of these levels."""
        return [advice for advice in self.advice if advice.level in levels]


async def tune(
    url: str, machine_of: Callable[[Host, bool], Machine], *, on_rds: bool = False
) -> Report:
    """Look at the server. url: its address; a pooler's will do.

    machine_of: what the server has to work with; it is told which server that is, and whether it
    is reached through a pooler, which may be elsewhere. on_rds: it is one of RDS, whatever it says.
    Raises ``DatabaseError``, and what ``machine_of`` raises.
    """
    async with connect(url, application=APPLICATION) as connection:
        pooled = await is_pooled(connection)
        if not pooled:
            await execute(connection, LimitMaintenance(lock="1s", statement="10s"))
        host = await fetch_one(connection, DescribeHost())
        if host is None:  # whoever is connected is a role
            raise DatabaseError("the server does not say who is connected")
        host = replace(host, is_rds=host.is_rds or on_rds)
        machine = machine_of(host, pooled)
        return await _report(connection, host, machine)


async def _report(connection: Connection, host: Host, machine: Machine) -> Report:
    wanted = targets(machine, host.major)
    names = [target.name for target in wanted]
    settings = {
        setting.name: setting
        for setting in await fetch(connection, ListSettings(names=[*names, "statement_timeout"]))
    }
    found = Findings(
        host,
        machine,
        await gather(connection, host),
        settings,
        await fetch(connection, ListSettingOverrides(names=names)),
    )
    logins = await fetch(connection, ListServiceLogins())
    return Report(
        host,
        machine,
        found.evidence,
        tuple(advise(target, found) for target in wanted),
        tuple(_timeouts(logins, settings.get("statement_timeout"))),
    )


def _timeouts(logins: Sequence[ServiceLogin], server: Setting | None) -> Iterator[Advice]:
    """Whether each login of a service has a statement_timeout, of its own or of the server's."""
    everywhere = server.setting if server is not None and server.source != "session" else "0"
    strictest = {login.name: login for login in reversed(logins)}
    for login in sorted(strictest.values(), key=lambda login: login.name):
        live = login.statement_timeout or everywhere
        wanted = TIMEOUTS[login.member_of]
        has_one = live not in ("0", "")
        statement = f"ALTER ROLE {quoted(login.name)} SET statement_timeout = '{wanted}';"
        yield Advice(
            f"statement_timeout of {login.name}",
            "fine" if has_one else "consider",
            live,
            live if has_one else wanted,
            restart=False,
            pending=False,
            source="role" if login.statement_timeout else "default",
            file=None,
            why=f"a login of {login.member_of}; a group's own setting does not pass to its members",
            basis="VSL's own",
            statement=None if has_one else statement,
        )


def statements(report: Report) -> list[str]:
    """The SQL that carries the advice out; what is only to be considered as comments."""
    lines = []
    for advice in report.of("change", "consider"):
        if advice.statement is None:
            continue
        lines += [advice.statement] if advice.level == "change" else [f"-- {advice.statement}"]
    if any(line.startswith("ALTER SYSTEM") for line in lines):
        lines.append("SELECT pg_reload_conf();")
    restarts = [a.name for a in report.of("change") if a.restart and a.statement]
    if restarts:
        lines.append(f"-- Restart the server for: {', '.join(restarts)}.")
    return lines


def parameter_group_calls(report: Report, *levels: str) -> list[str]:
    """The calls of AWS's command line that change an RDS parameter group.

    Numbers are in the units of RDS, which are PostgreSQL's own: shared_buffers in pages of 8 kB,
    work_mem in kB. A setting that needs a restart is applied at the next reboot.
    """
    parameters = [
        {
            "ParameterName": advice.parameter[0],
            "ParameterValue": advice.parameter[1],
            "ApplyMethod": "pending-reboot" if advice.restart else "immediate",
        }
        for advice in report.of(*levels)
        if advice.parameter is not None
    ]
    calls = []
    for start in range(0, len(parameters), PARAMETERS_AT_ONCE):
        part = json.dumps(parameters[start : start + PARAMETERS_AT_ONCE])
        calls.append(
            "aws rds modify-db-parameter-group --db-parameter-group-name YOUR-GROUP "
            f"--parameters '{part}'"
        )
    return calls
