"""Which addresses may be connected to: hosts by name, and no private addresses behind them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

from vsl.errors import ProviderError
from vsl.providers.source import shown_address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: A host's name and a port, to the addresses behind them. Raises ``OSError`` when there are none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_ADDRESSES = 4  # that are tried, one after the other
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is the last 32 bits


@dataclass(frozen=True, slots=True)
class DownloadRules:
    """Where files may be fetched from, and how much and how long.

    hosts: names, each with all names below it, and addresses; with ``:port`` where the port is
    not that of the scheme. They have to be public. private_hosts: more of them, which may lead to
    private, loopback and link-local addresses. max_bytes: of one file. total_seconds: for the
    whole of it, however often it is taken up again. idle_seconds: without a byte.
    connect_seconds: for one connection.
    """

    hosts: Sequence[str]
    private_hosts: Sequence[str] = ()
    max_bytes: int = 8 * 1024**3
    total_seconds: float = 1800.0
    idle_seconds: float = 30.0
    connect_seconds: float = 10.0

    def allows(self, url: httpx.URL) -> bool:
        """Whether an address is at one of the hosts."""
        return _at_one_of(self.hosts, url) or self.allows_private(url)

    def allows_private(self, url: httpx.URL) -> bool:
        """Whether an address is at one of the hosts that need not be public."""
        return _at_one_of(self.private_hosts, url)


def _at_one_of(hosts: Sequence[str], url: httpx.URL) -> bool:
    if url.scheme not in _DEFAULT_PORTS or url.userinfo or not url.host:
        return False
    default = _DEFAULT_PORTS[url.scheme]
    return any(_matches(rule, url.host, url.port or default, default) for rule in hosts)


def _matches(rule: str, host: str, port: int, default_port: int) -> bool:
    wanted, wanted_port = _split_port(rule.lower())
    if port != (wanted_port or default_port):
        return False
    host = host.lower().rstrip(".").strip("[]")
    return host == wanted or (not _is_address(wanted) and host.endswith(f".{wanted}"))


def _split_port(rule: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``address``, ``[address]:port``."""
    host, colon, port = rule.rpartition(":")
    if colon and port.isdecimal() and (host.endswith("]") or ":" not in host):
        return host.strip("[]"), int(port)
    return rule.strip("[]"), None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an address is one of the public network, also when it carries another one inside."""
    try:
        ip: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's answer to a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to allowed hosts only, at addresses that were looked at.

    Every request goes through here, those after a redirect too. Raises ``ProviderError`` for what
    is not allowed, ``httpx.ConnectError`` for a name without addresses.
    """

    def __init__(self, rules: DownloadRules, resolver: Resolver = resolve) -> None:
        self._rules = rules
        self._resolver = resolver
        self._inner = httpx.AsyncHTTPTransport(
            # A connection belongs to an address here: one name's must not serve another's.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        url = request.url
        place = shown_address(str(url))
        if not self._rules.allows(url):
            raise ProviderError(
                f"an output is at {place}, which is not a host that outputs are fetched from"
            )
        addresses = await self._addresses(request, place)
        for address in addresses[:-1]:
            try:
                return await self._send(request, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._send(request, addresses[-1])

    async def _addresses(self, request: httpx.Request, place: str) -> Sequence[str]:
        url = request.url
        try:
            async with asyncio.timeout(self._rules.connect_seconds):
                found = await self._resolver(url.host, url.port or _DEFAULT_PORTS[url.scheme])
        except TimeoutError:
            raise httpx.ConnectTimeout("the name was not resolved in time", request=request) from (
                None
            )
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise httpx.ConnectError("the name has no address", request=request)
        if not self._rules.allows_private(url) and not all(map(is_public, found)):
            raise ProviderError(f"an output is at {place}, which leads to a private address")
        return found[:_MAX_ADDRESSES]

    async def _send(self, request: httpx.Request, address: str) -> httpx.Response:
        # The header Host, and the name that the certificate is checked for, stay as they were.
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            extensions=extensions,
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Give back connections."""
        await self._inner.aclose()
