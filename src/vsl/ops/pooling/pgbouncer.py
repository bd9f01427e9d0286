"""A PgBouncer configuration, as text. Pure: it reads nothing and knows no password.

What the settings mean and default to is from PgBouncer 1.18's own manual, and what VSL's clients
need was measured with it in transaction mode (docs/how-to/pool-connections.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from vsl.errors import InvalidInput, Problem

#: The oldest version whose settings are known here: Debian 12's.
OLDEST = (1, 18)
#: From here on PgBouncer can carry protocol-level prepared statements from session to session.
CARRIES_PREPARED = (1, 21)
#: The seed's "Timeout: 30 seconds", and what psycopg's own pool waits.
WAIT = 30
#: Server connections that may be there beside the pools, to ask for a password's hash.
FOR_AUTH_QUERY = 2
#: The login that asks, as database/pooling/pgbouncer_auth.sql makes it.
AUTH_USER = "pgbouncer_auth"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("*", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where PgBouncer finds PostgreSQL. host: a name, an address, or the folder of a socket.

    tls, ca_file: as libpq's sslmode and sslrootcert.
    """

    host: str
    port: int
    database: str
    tls: str = "prefer"
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncer:
    """What is decided for a PgBouncer.

    pool_size: server connections per user/database pair. pairs: how many such pairs there are.
    clients: connections of clients to allow. ask_for_hashes: whether the database is asked for
    the hashes of passwords, or all of them stand in ``auth_file``. tls_key, tls_cert: files with
    which clients' connections are encrypted.
    """

    server: ServerAddress
    pool_size: int
    pairs: int = 1
    clients: int = 1000
    version: tuple[int, int] = OLDEST
    listen_address: str = "127.0.0.1"
    listen_port: int = 6432
    auth_file: str = "/etc/pgbouncer/userlist.txt"
    ask_for_hashes: bool = True
    tls_key: str | None = None
    tls_cert: str | None = None

    @property
    def server_connections(self) -> int:
        """The most connections that it will make to the server."""
        return self.pool_size * self.pairs + (FOR_AUTH_QUERY if self.ask_for_hashes else 0)


def version_of(text: str) -> tuple[int, int]:
    """``1.18`` or ``1.18.0`` as numbers. Raises ``InvalidInput``."""
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(\.\d{1,3})?", text.strip())
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST:
        accepted = f"{OLDEST[0]}.{OLDEST[1]} or newer, as `pgbouncer --version` says it"
        raise InvalidInput([Problem("--pgbouncer-version", "is not one that VSL knows", accepted)])
    return version


def configuration(wanted: PgBouncer) -> str:
    """The text of a ``pgbouncer.ini``. Raises ``InvalidInput`` for what PgBouncer cannot do."""
    _check(wanted)
    return "\n".join(_lines(wanted)) + "\n"


def _check(wanted: PgBouncer) -> None:
    problems = []
    server = wanted.server
    if "," in server.host:
        reason = "names several hosts, over which PgBouncer would spread its connections"
        problems.append(Problem("the server's address", reason, "one host"))
    if client_name(server.database) == "pgbouncer":
        reason = "is the name of PgBouncer's own console"
        problems.append(Problem("the database's name", reason, "another name"))
    if server.tls not in _TLS_MODES:
        problems.append(Problem("sslmode", "is not known", ", ".join(_TLS_MODES)))
    given = (server.host, server.database, server.ca_file, wanted.listen_address)
    files = (wanted.auth_file, wanted.tls_key, wanted.tls_cert)
    if any(part and re.search(r"[\x00-\x1f]", part) for part in (*given, *files)):
        problems.append(Problem("the configuration", "cannot hold control characters"))
    if (wanted.tls_key is None) != (wanted.tls_cert is None):
        problems.append(Problem("--tls-key", "needs a certificate, and the other way round"))
    if problems:
        raise InvalidInput(problems)


def _lines(wanted: PgBouncer) -> Iterator[str]:
    version = f"{wanted.version[0]}.{wanted.version[1]}"
    yield f"; PgBouncer {version} in front of VSL's database, printed by `vsl db pool config`."
    host = "HOST" if wanted.listen_address in _EVERYWHERE else wanted.listen_address
    place = f"{host}:{wanted.listen_port}/{client_name(wanted.server.database)}"
    yield f"; DATABASE_URL leads here: postgresql://LOGIN:PASSWORD@{place}"
    yield "; VSL_DIRECT_DATABASE_URL leads to the server itself, as without a pooler."
    yield ""
    yield "[databases]"
    yield from _database(wanted.server)
    yield ""
    yield "[pgbouncer]"
    for part in (_listening, _pooling, _waiting, _sessions, _passwords, _encryption, _saying):
        yield from part(wanted)


def _database(server: ServerAddress) -> Iterator[str]:
    name = client_name(server.database)
    if name != server.database:
        yield from _why(
            f"Clients call the database {name}: PgBouncer cannot read its own name here, not even "
            "quoted as its manual says."
        )
    parts = {"host": server.host, "port": str(server.port), "dbname": server.database}
    yield f"{name} = " + " ".join(f"{key}={_quoted(value)}" for key, value in parts.items())


def client_name(database: str) -> str:
    """What clients of PgBouncer call a database: its name, as far as PgBouncer can read that.

    1.18 takes a quoted name for a syntax error (measured), against its manual.
    """
    return re.sub(r"[^0-9A-Za-z_.-]", "_", database)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w./:@-]+", value, re.ASCII):
        return value
    return "'" + value.replace("'", "''") + "'"


def _why(text: str) -> Iterator[str]:
    """A comment, folded."""
    yield from (f"; {line}" for line in wrap(text, 96, break_on_hyphens=False))


def _listening(wanted: PgBouncer) -> Iterator[str]:
    yield f"listen_addr = {wanted.listen_address}"
    yield f"listen_port = {wanted.listen_port}"
    yield from _why("By TCP only: its socket would lie in /tmp, where anybody could be first.")
    yield "unix_socket_dir ="


def _pooling(wanted: PgBouncer) -> Iterator[str]:
    yield ""
    yield from _why(
        "A server connection is lent for one transaction, so nothing may be kept in a session: no "
        "SET (SET LOCAL is fine), LISTEN, session advisory locks, temporary tables. VSL keeps to "
        "that, and takes VSL_DIRECT_DATABASE_URL for what needs a session."
    )
    yield "pool_mode = transaction"
    yield from _why("For each pair of user and database: several logins multiply it.")
    yield f"default_pool_size = {wanted.pool_size}"
    auth = f", and {FOR_AUTH_QUERY} to ask for passwords" if wanted.ask_for_hashes else ""
    pairs = "1 pair" if wanted.pairs == 1 else f"{wanted.pairs} pairs"
    yield from _why(
        f"Whoever logs in, no more than was planned: {pairs} of user and database{auth}."
    )
    yield f"max_db_connections = {wanted.server_connections}"
    yield from _why("Clients cost the server nothing. Each takes an open file here (ulimit -n).")
    yield f"max_client_conn = {wanted.clients}"


def _waiting(wanted: PgBouncer) -> Iterator[str]:
    del wanted
    yield ""
    yield from _why(
        "Seconds that a transaction waits for a server connection, and this one for it."
    )
    yield f"query_wait_timeout = {WAIT}"
    yield f"server_connect_timeout = {WAIT}"
    yield from _why("A server that refused is asked again soon: a restart takes seconds, not 15.")
    yield "server_login_retry = 2"
    yield from _why("Seconds until an idle connection is closed, and until any one is made anew.")
    yield "server_idle_timeout = 600"
    yield "server_lifetime = 3600"


def _sessions(wanted: PgBouncer) -> Iterator[str]:
    yield ""
    yield from _why(
        "Nothing is left in a session, so there is nothing to reset. DISCARD ALL after each "
        "transaction would hide a client that breaks the rule, and cost every other one."
    )
    yield "server_reset_query ="
    yield "server_reset_query_always = 0"
    yield from _why(
        "JDBC sends this at its start, VSL nothing of the kind. Not `options`: a timeout that a "
        "client asks for there would be missing in silence. Put timeouts on the role."
    )
    yield "ignore_startup_parameters = extra_float_digits"
    if wanted.version >= CARRIES_PREPARED:
        yield from _why(
            "Other clients' prepared statements are carried along; VSL sends none here."
        )
        yield "max_prepared_statements = 200"
    else:
        yield from _why(
            "Before 1.21 prepared statements get lost or mixed up: VSL sends none here, and other "
            "clients must not either (psycopg: prepare_threshold=None)."
        )


def _passwords(wanted: PgBouncer) -> Iterator[str]:
    yield ""
    yield "auth_type = scram-sha-256"
    yield from _why(
        'Lines of "user" "password or SCRAM secret". Nobody but PgBouncer\'s own user may read it.'
    )
    yield f"auth_file = {wanted.auth_file}"
    if wanted.ask_for_hashes:
        yield from _why(
            f"Only {AUTH_USER} stands there, with its password; for all others the database is "
            "asked. `vsl db pool auth-sql` prints what a superuser runs in it first."
        )
        yield f"auth_user = {AUTH_USER}"
        yield "auth_query = SELECT username, password FROM pgbouncer.get_auth($1)"
        yield from _why(
            "Who may use the console, the database `pgbouncer` (SHOW POOLS, RECONNECT)."
        )
        yield f"admin_users = {AUTH_USER}"
    else:
        yield from _why("Logins of that file who may use the console (SHOW POOLS, RECONNECT).")
        yield ";admin_users ="


def _encryption(wanted: PgBouncer) -> Iterator[str]:
    yield ""
    if wanted.tls_key is not None:
        yield "client_tls_sslmode = require"
        yield f"client_tls_key_file = {wanted.tls_key}"
        yield f"client_tls_cert_file = {wanted.tls_cert}"
    else:
        local = wanted.listen_address in _LOOPBACK
        yield from _why(
            "Clients are on this machine; for others give --tls-key and --tls-cert."
            if local
            else "NOT ENCRYPTED, prompts and results included: give --tls-key and --tls-cert."
        )
        yield "client_tls_sslmode = disable"
    yield from _why("To the server: sslmode and sslrootcert of VSL_DIRECT_DATABASE_URL.")
    yield f"server_tls_sslmode = {wanted.server.tls}"
    if wanted.server.ca_file is not None:
        yield f"server_tls_ca_file = {wanted.server.ca_file}"


def _saying(wanted: PgBouncer) -> Iterator[str]:
    del wanted
    yield ""
    yield from _why("To standard error, which systemd and containers keep; never statements.")
    yield "log_connections = 0"
    yield "log_disconnections = 0"
    yield "log_pooler_errors = 1"
