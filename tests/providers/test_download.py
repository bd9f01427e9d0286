"""Downloads: only from where it is allowed, whole, and taken up again where they were cut."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from tests.providers.kit import Reply

from vsl.errors import ProviderError
from vsl.providers import download as download_module
from vsl.providers.download import MAX_FRUITLESS, Downloader, DownloadRules
from vsl.providers.guard import is_public, resolve
from vsl.testing import AsgiServer, ConnectionDropped

CONTENT = bytes(range(256)) * 4000  # about 1 MB


class Files:
    """A server of one file, which ends each of the first connections after some bytes.

    cuts: how many bytes the next answers send before their connection ends. ranges: whether it
    takes ranges. etag: of the file. asked: the ranges that were asked for.
    """

    def __init__(self) -> None:
        self.content = CONTENT
        self.cuts: list[int] = []
        self.ranges = True
        self.etag: str | None = '"one"'
        self.asked: list[str | None] = []
        self.replies: list[Reply] = []
        self.hosts: list[str] = []
        self.on_cut: Callable[[], None] = lambda: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(headers.get("range"))
        self.hosts.append(headers["host"])
        if self.replies:
            reply = self.replies.pop(0)
            await self._send(send, reply.status, reply.headers, reply.body)
            return
        status, begin, more = 200, 0, {}
        whole = len(self.content)
        matches = headers.get("if-range", self.etag) == self.etag
        if self.ranges and "range" in headers and matches:
            status, begin = 206, int(headers["range"][6:-1])
            more["content-range"] = f"bytes {begin}-{whole - 1}/{whole}"
        if self.etag is not None:
            more["etag"] = self.etag
        await self._send(send, status, more, self.content[begin:])

    async def _send(self, send: Any, status: int, headers: dict[str, str], body: bytes) -> None:
        headers = {"content-length": str(len(body)), **headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        cut = self.cuts.pop(0) if self.cuts else None
        piece = body if cut is None else body[:cut]
        await send({"type": "http.response.body", "body": piece, "more_body": cut is not None})
        if cut is not None:
            self.on_cut()
            raise ConnectionDropped


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "FIRST_PAUSE", 0.001)


@pytest.fixture
async def files() -> Files:
    return Files()


@pytest.fixture
async def server(files: Files) -> AsyncIterator[AsgiServer]:
    server = AsgiServer(files)
    await server.start()
    yield server
    await server.stop()


async def read(url: str, rules: DownloadRules, resolver: Any = resolve) -> bytes:
    downloader = Downloader(rules, resolver=resolver)
    try:
        return b"".join([chunk async for chunk in downloader.read(url)])
    finally:
        await downloader.close()


def local(server: AsgiServer, **how: Any) -> DownloadRules:
    return DownloadRules(hosts=(), private_hosts=[server.url.removeprefix("http://")], **how)


# --- whole files -------------------------------------------------------------------------------


async def test_a_file_comes_whole(server: AsgiServer, files: Files) -> None:
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    assert files.asked == [None]


async def test_a_cut_file_is_taken_up_where_it_ended(server: AsgiServer, files: Files) -> None:
    files.cuts = [300_000, 200_000, 0, 100_000]
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    assert files.asked[0] is None
    starts = [int(asked[6:-1]) for asked in files.asked[1:] if asked]
    assert len(starts) == 4
    assert starts == sorted(starts)
    assert 0 < starts[0] <= 300_000
    assert starts[2] == starts[1] or starts[2] == starts[3]


async def test_a_server_without_ranges_begins_again(server: AsgiServer, files: Files) -> None:
    files.ranges = False
    files.cuts = [300_000, 500_000, 700_000]
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    assert len(files.asked) == 4


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
async def test_without_a_sure_mark_it_begins_again(
    server: AsgiServer, files: Files, etag: str | None
) -> None:
    files.etag = etag
    files.cuts = [300_000]
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    assert files.asked == [None, None]


@pytest.mark.parametrize("longer", [0, 5])
@pytest.mark.parametrize("etag", ['"two"', None])
async def test_a_file_that_changed_meanwhile_is_not_mixed(
    server: AsgiServer, files: Files, etag: str | None, longer: int
) -> None:
    def change() -> None:
        files.content = b"other" + CONTENT[5:] + b"x" * longer
        files.etag = etag

    files.cuts, files.on_cut = [300_000], change
    with pytest.raises(ProviderError, match="another file than when it began") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert caught.value.retryable


async def test_a_range_that_was_not_asked_for_is_refused(server: AsgiServer, files: Files) -> None:
    def answer() -> None:
        files.replies = [Reply(206, CONTENT[5:], {"content-range": "bytes 5-9/10"})]

    files.cuts, files.on_cut = [300_000], answer
    with pytest.raises(ProviderError, match="another file"):
        await read(f"{server.url}/a.png", local(server))


async def test_a_connection_that_is_always_cut_is_given_up(
    server: AsgiServer, files: Files
) -> None:
    files.cuts = [0] * 50
    with pytest.raises(ProviderError, match="connection was lost") as caught:
        await read(f"{server.url}/a.png?signature=secret", local(server))
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
    assert len(files.asked) == MAX_FRUITLESS


async def test_passing_faults_are_waited_out(server: AsgiServer, files: Files) -> None:
    files.replies = [Reply(503, b""), Reply(429, b"")]
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    files.replies = [Reply(503, b"")] * MAX_FRUITLESS
    with pytest.raises(ProviderError, match="HTTP status 503") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert caught.value.retryable


async def test_what_a_server_packed_is_unpacked(server: AsgiServer, files: Files) -> None:
    packed = gzip.compress(CONTENT)
    headers = {"content-encoding": "gzip", "etag": '"packed"'}
    files.replies = [Reply(200, packed, headers), Reply(200, packed, headers)]
    files.cuts = [len(packed) // 2]
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    assert files.asked == [None, None]


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
async def test_an_expired_file_is_said_to_be(server: AsgiServer, files: Files, status: int) -> None:
    files.replies = [Reply(status, b"")]
    with pytest.raises(ProviderError, match=f"has expired: HTTP status {status}") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert not caught.value.retryable
    assert len(files.asked) == 1


async def test_a_file_that_expires_half_way_is_said_to_be(server: AsgiServer, files: Files) -> None:
    def expire() -> None:
        files.replies = [Reply(404, b"")]

    files.cuts, files.on_cut = [300_000], expire
    with pytest.raises(ProviderError, match="has expired") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert not caught.value.retryable


@pytest.mark.parametrize("status", [401, 403, 206, 304])
async def test_other_answers_are_refused(server: AsgiServer, files: Files, status: int) -> None:
    files.replies = [Reply(status, b"")]
    with pytest.raises(ProviderError, match=f"HTTP status {status}") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert not caught.value.retryable


async def test_a_file_may_be_too_large(server: AsgiServer, files: Files) -> None:
    limit = local(server, max_bytes=len(CONTENT) - 1)
    with pytest.raises(ProviderError, match=r"larger than 1,023,999 bytes") as caught:
        await read(f"{server.url}/a.png", limit)
    assert not caught.value.retryable
    # And so when it only shows as it comes.
    packed = gzip.compress(b"0" * 10_000_000)
    files.replies = [Reply(200, packed, {"content-encoding": "gzip"})]
    assert len(packed) < limit.max_bytes
    with pytest.raises(ProviderError, match="larger than"):
        await read(f"{server.url}/a.png", limit)
    assert await read(f"{server.url}/a.png", local(server, max_bytes=len(CONTENT))) == CONTENT


async def _silent(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
    await send(start)
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await receive()


async def _trickle(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("app", "how", "words", "retryable"),
    [
        (_silent, {"idle_seconds": 0.05}, "stopped coming", True),
        (_silent, {"total_seconds": 0.1}, "took longer than 0.1 seconds", True),
        (_trickle, {"total_seconds": 0.1}, "took longer than 0.1 seconds", True),
    ],
)
async def test_time_has_limits(app: Any, how: dict[str, Any], words: str, retryable: bool) -> None:
    server = AsgiServer(app)
    await server.start()
    with pytest.raises(ProviderError, match=words) as caught:
        await read(server.url, local(server, **how))
    assert caught.value.retryable is retryable
    await server.stop()


async def test_a_reader_may_stop_half_way(server: AsgiServer) -> None:
    downloader = Downloader(local(server))
    chunks = downloader.read(f"{server.url}/a.png")
    assert (await anext(chunks))[:4] == b"\0\1\2\3"
    await chunks.aclose()
    await downloader.close()


# --- where from --------------------------------------------------------------------------------


async def test_redirects_are_followed_within_the_list(server: AsgiServer, files: Files) -> None:
    files.replies = [Reply(302, b"", {"location": f"/{number}"}) for number in range(3)]
    assert await read(f"{server.url}/a.png", local(server)) == CONTENT
    files.replies = [Reply(302, b"", {"location": f"/{number}"}) for number in range(4)]
    with pytest.raises(ProviderError, match="more than 3 redirects") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "http://localhost/",
        "file:///etc/passwd",
        "ftp://replicate.delivery/a.png",
    ],
)
async def test_redirects_to_elsewhere_are_refused(
    server: AsgiServer, files: Files, target: str
) -> None:
    files.replies = [Reply(302, b"", {"location": target})]
    with pytest.raises(ProviderError, match=r"not a host|not at an http address") as caught:
        await read(f"{server.url}/a.png", local(server))
    assert not caught.value.retryable
    assert len(files.asked) == 1


def resolver_of(*answers: Sequence[str]) -> Any:
    """A resolver with an answer for each call, and the last one for ever."""
    left = list(answers)

    async def answer(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


async def test_a_name_that_leads_to_a_private_address_is_refused() -> None:
    rules = DownloadRules(hosts=["replicate.delivery"])
    for addresses in (["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]):
        with pytest.raises(ProviderError, match="leads to a private address") as caught:
            await read("http://replicate.delivery/a.png", rules, resolver_of(addresses))
        assert not caught.value.retryable


async def test_a_name_is_resolved_once_and_that_address_is_connected_to(
    server: AsgiServer, files: Files
) -> None:
    port = int(server.url.rpartition(":")[2])
    # The second answer, which nobody looked at, would lead elsewhere.
    rebinding = resolver_of(["127.0.0.1"], ["127.0.0.2"])
    rules = DownloadRules(hosts=(), private_hosts=[f"files.example:{port}"])
    url = f"http://files.example:{port}/a.png"
    assert await read(url, rules, rebinding) == CONTENT
    assert files.hosts == [f"files.example:{port}"]


async def test_a_name_that_becomes_private_on_a_redirect_is_refused(
    server: AsgiServer, files: Files
) -> None:
    port = int(server.url.rpartition(":")[2])
    files.replies = [Reply(302, b"", {"location": f"http://b.example:{port}/"})]
    rules = DownloadRules(hosts=[f"b.example:{port}"], private_hosts=[f"a.example:{port}"])
    with pytest.raises(ProviderError, match="leads to a private address"):
        await read(f"http://a.example:{port}/", rules, resolver_of(["127.0.0.1"]))
    assert len(files.asked) == 1


async def test_the_next_address_is_tried(server: AsgiServer) -> None:
    port = int(server.url.rpartition(":")[2])
    rules = DownloadRules(hosts=(), private_hosts=[f"files.example:{port}"])
    resolver = resolver_of(["127.0.0.9", "127.0.0.1"])
    assert await read(f"http://files.example:{port}/", rules, resolver) == CONTENT


async def test_a_name_without_addresses_may_have_some_later() -> None:
    async def nothing(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(ProviderError, match="connection was lost") as caught:
        await read("https://replicate.delivery/", DownloadRules(["replicate.delivery"]), nothing)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://replicate.delivery/a", True),
        ("https://REPLICATE.delivery./a", True),
        ("https://pbxt.replicate.delivery/a", True),
        ("http://a.b.replicate.delivery/a", True),
        ("https://replicate.delivery:443/a", True),
        ("https://replicate.delivery:8443/a", False),
        ("https://notreplicate.delivery/a", False),
        ("https://replicate.delivery.evil.example/a", False),
        ("https://replicate.delivery@evil.example/a", False),
        ("https://user:password@replicate.delivery/a", False),
        ("ftp://replicate.delivery/a", False),
        ("https://127.0.0.1/a", False),
        ("https://127.0.0.2:9000/a", True),
        ("https://127.0.0.2/a", False),
        ("https://9.127.0.0.2:9000/a", False),
        ("https://[::1]:9000/a", True),
        ("https://[fe80::1]/a", False),
    ],
)
def test_which_hosts_are_allowed(url: str, allowed: bool) -> None:
    rules = DownloadRules(
        hosts=["replicate.delivery"], private_hosts=["127.0.0.2:9000", "[::1]:9000"]
    )
    assert rules.allows(httpx.URL(url)) is allowed


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("64:ff9b::101:101", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("not an address", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_the_system_resolves_names() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)
