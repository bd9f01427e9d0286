"""The bytes of outputs: data URLs in every spelling, and streams that end as they should or not."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.kit import Reply, ScriptedServer

from vsl.errors import ProviderError
from vsl.providers import source as source_module
from vsl.providers.source import (
    MAX_REDIRECTS,
    data_chunks,
    data_url,
    parse_data_url,
    read_source,
    shown_address,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def _read(client: httpx.AsyncClient, url: str) -> bytes:
    return b"".join([chunk async for chunk in read_source(client, url)])


@given(content=st.binary(max_size=200), chunk=st.sampled_from([12, 24, 48]))
def test_any_bytes_come_back_in_every_spelling(content: bytes, chunk: int) -> None:
    plain = base64.b64encode(content).decode()
    spellings = [
        data_url(content, "image/png"),
        f"data:;base64,{plain}",
        f"DATA:image/png;name=x;BASE64,{plain}",
        f"data:image/png;base64,{plain.rstrip('=')}",
        f"data:image/png;base64,{quote(plain, safe='')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(content).decode()}",
        "data:image/png;base64," + "\n".join(plain[i : i + 7] for i in range(0, len(plain), 7)),
        f"data:application/octet-stream,{quote(content, safe='')}",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "CHUNK", chunk)
        for url in spellings:
            assert b"".join(data_chunks(url)) == content, url
    for url in (spellings[0], spellings[3], spellings[6], spellings[7]):
        data = parse_data_url(url)
        assert data is not None
        assert data.size == len(content)


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:image/png;base64",
        "data:image/png;base64,A",
        "data:image/png;base64,AAA=A",
        "data:image/png;base64,AAAA====",
        "data:image/png;base64,A===",
        "data:image/png;base64,AA=",
        "data:image/png;base64,AA*A",
        "data:image/png;base64,AAé=",
        "data:image/png;base64,AB==" + "AAAA",
    ],
)
async def test_malformed_data_is_refused(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(ProviderError, match="malformed data URL") as caught:
        await _read(client, url)
    assert not caught.value.retryable


async def test_a_stream_is_read_through_redirects(
    client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    content = bytes(range(256)) * 4000
    scripted.script = [
        Reply(302, b"", {"Location": "/next"}),
        Reply(307, b"", {"Location": f"{scripted.url}/last"}),
        Reply(body=content),
    ]
    assert await _read(client, f"{scripted.url}/first") == content
    assert [said.path for said in scripted.heard] == ["/first", "/next", "/last"]


async def test_redirects_have_a_limit(client: httpx.AsyncClient, scripted: ScriptedServer) -> None:
    scripted.script = [Reply(302, b"", {"Location": "/round"})]
    with pytest.raises(ProviderError, match="more than 5 redirects") as caught:
        await _read(client, scripted.url)
    assert not caught.value.retryable
    assert len(scripted.heard) == MAX_REDIRECTS + 1


async def test_a_redirect_to_elsewhere_is_refused(
    client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    scripted.script = [Reply(302, b"", {"Location": "file:///etc/passwd"})]
    with pytest.raises(ProviderError, match="not at an http address") as caught:
        await _read(client, scripted.url)
    assert not caught.value.retryable


@pytest.mark.parametrize("missing", [1, 5000])
async def test_a_cut_stream_may_be_tried_again(
    client: httpx.AsyncClient, scripted: ScriptedServer, missing: int
) -> None:
    whole = Reply(body=b"x" * 10_000)
    scripted.script = [Reply(body=b"x" * 10_000, cut=len(whole.encoded()) - missing)]
    with pytest.raises(ProviderError, match=r"was lost|cut short") as caught:
        await _read(client, f"{scripted.url}/a?signature=secret")
    assert caught.value.retryable
    assert "secret" not in str(caught.value)


async def test_a_cut_chunked_stream_may_be_tried_again(
    client: httpx.AsyncClient, scripted: ScriptedServer
) -> None:
    raw = b"5\r\nhello\r\n"
    answer = Reply(body=raw, headers={"Transfer-Encoding": "chunked"})
    whole = answer.encoded().replace(b"Content-Length: 10\r\n", b"")

    class Cut(Reply):
        def encoded(self) -> bytes:
            return whole

    scripted.script = [Cut(cut=len(whole))]
    with pytest.raises(ProviderError, match="was lost") as caught:
        await _read(client, scripted.url)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("status", "retryable"), [(404, False), (403, False), (410, False), (429, True), (503, True)]
)
async def test_statuses_are_told(
    client: httpx.AsyncClient, scripted: ScriptedServer, status: int, retryable: bool
) -> None:
    scripted.script = [Reply(status, b"gone")]
    with pytest.raises(ProviderError, match=f"HTTP status {status}") as caught:
        await _read(client, scripted.url)
    assert caught.value.retryable is retryable


async def test_a_silent_server_is_given_up(
    client: httpx.AsyncClient, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "READ_SECONDS", 0.1)
    scripted.script = [None]
    with pytest.raises(ProviderError, match="stopped coming") as caught:
        await _read(client, scripted.url)
    assert caught.value.retryable


async def test_a_server_that_is_not_there(client: httpx.AsyncClient) -> None:
    with pytest.raises(ProviderError, match=r"http://127\.0\.0\.1:1 was lost") as caught:
        await _read(client, "http://127.0.0.1:1/secret")
    assert caught.value.retryable


@pytest.mark.parametrize("url", ["ftp://host/a", "nothing", "http://[", "http://host:99999/"])
async def test_other_addresses_are_refused(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await _read(client, url)
    assert not caught.value.retryable


def test_an_address_is_shown_without_secrets() -> None:
    assert shown_address("https://u:p@h.example/x?sig=1") == "https://h.example"
    assert shown_address("http://[") == "an unreadable address"
