"""The checks of the server's counters, settings and roles."""

from __future__ import annotations

from vsl.ops.doctor.check import Check, Limits

# As in ``storage``: without limits, the SQL decides.
_DECIDED = Limits()

SETTINGS: tuple[Check, ...] = (
    Check(
        id="slow-statements",
        title="Slow statements",
        area="server",
        unit="milliseconds",
        limits=_DECIDED,
        why="One statement often takes most of a server's time.",
        next="See `vsl db slow`.",
    ),
    Check(
        id="temporary-files",
        title="Temporary files an hour",
        area="server",
        unit="count",
        limits=_DECIDED,
        why="A sort or a hash that does not fit into work_mem goes through the disk.",
        next="See `vsl db tune` for work_mem; raise it for the role that needs it, not for all.",
    ),
    Check(
        id="deadlocks",
        title="Deadlocks a minute",
        area="server",
        unit="count",
        limits=Limits(warn=5),
        why="The server ends one of two transactions that wait for each other: its work is lost.",
        next="The server's log names both statements; lock rows in one order everywhere.",
    ),
    Check(
        id="rollbacks",
        title="Transactions rolled back",
        area="server",
        unit="percent",
        limits=Limits(warn=10),
        why="Work that is thrown away: errors, timeouts, serialization failures.",
        next="Look for the errors in the server's log.",
    ),
    Check(
        id="requested-checkpoints",
        title="Checkpoints before their time",
        area="server",
        unit="percent",
        limits=Limits(warn=50),
        why="Each one writes all changed blocks at once, and after it whole pages go to the log.",
        next="Raise max_wal_size: see `vsl db tune`.",
    ),
    Check(
        id="checksum-failures",
        title="Damaged blocks",
        area="server",
        unit="count",
        limits=Limits(fail=1),
        why="The disk or the memory gave back other bytes than were written: data is being lost.",
        next="Make a copy of what can be read (pg_dump), then restore the last good backup onto "
        "other hardware.",
    ),
    Check(
        id="pending-restart",
        title="Settings that wait for a restart",
        area="server",
        unit="count",
        limits=_DECIDED,
        why="The next start, maybe an unplanned one, brings settings that were never tried.",
        next="Restart the server at a time of your choice.",
    ),
    Check(
        id="dangerous-settings",
        title="Settings that endanger the data",
        area="server",
        unit="count",
        limits=_DECIDED,
        why="With them an ordinary fault can cost the whole database.",
        next="Set it back.",
    ),
    Check(
        id="role-powers",
        title="Logins with needless powers",
        area="server",
        unit="count",
        limits=_DECIDED,
        why="VSL needs no superuser: with one, a stolen password of the application is the server.",
        next="Give it a login that is a member of vsl_app or vsl_worker and nothing else.",
    ),
    Check(
        id="server-version",
        title="Support of the server's version",
        area="server",
        unit="days",
        limits=Limits(note=180, falling=True),
        why="A version that nobody repairs keeps its known holes.",
        next="Plan the upgrade.",
    ),
    Check(
        id="statistics-age",
        title="Counters that have just begun",
        area="server",
        unit="days",
        limits=_DECIDED,
        why="What is judged by counters, such as an unused index, knows only their time.",
        next="Wait, and look for what reset them: pg_stat_reset(), or a crash.",
    ),
)
