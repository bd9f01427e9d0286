"""The statements of pooling.

Each one's SQL stands under its name in ``database/queries``.
"""

from __future__ import annotations

from dataclasses import dataclass

from vsl.db.statement import OneRow


@dataclass(frozen=True, slots=True)
class ServerCapacity:
    """How many connections a server has.

    reserved: for pg_use_reserved_connections, and for the administrator of RDS. database, login:
    the limit of this database, and the lowest of any login's; None where there is none.
    connected: clients now, all databases together.
    """

    max_connections: int
    superuser_reserved: int
    reserved: int
    database: int | None
    login: int | None
    max_wal_senders: int
    connected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeCapacity(OneRow[ServerCapacity]):
    """How many connections the server has for an application."""
