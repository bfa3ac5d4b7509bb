"""Fetching images from the URLs of a reply, from servers of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from batcher.config import Secret
from batcher.models import ErrorClass, Failure
from batcher.stores import Draft, LocalStore, Partial
from batcher.transport import HttpTransport
from tests.integration.odd_server import read_request, serving, talking
from tests.integration.store_conformance import ID, png

KEY = "sk-a-key-that-nobody-else-may-see"
ENDPOINT = "http://127.0.0.1:9/v1"
PICTURE = png(filler=300_000)


@pytest.fixture
async def partial(tmp_path: Path) -> AsyncIterator[Partial]:
    begun = await LocalStore(tmp_path).begin(ID, 1, 0)
    yield begun
    await begun.discard()


@asynccontextmanager
async def transport(base_url: str = ENDPOINT) -> AsyncIterator[HttpTransport]:
    async with HttpTransport(base_url, Secret(KEY), agent="batcher/test") as opened:
        yield opened


async def fetched(
    url: str, partial: Partial, *, seconds: float = 10.0, base_url: str = ENDPOINT
) -> Failure | None:
    async with transport(base_url) as opened:
        return await opened.fetch(url, partial, seconds=seconds)


async def refusal(url: str, partial: Partial, base_url: str = ENDPOINT) -> Failure:
    failure = await fetched(url, partial, base_url=base_url)
    assert failure is not None
    assert failure.error_class is ErrorClass.DOWNLOAD
    return failure


class Shelf:
    """Hands out a picture at `/picture`, and what it is told elsewhere."""

    def __init__(self, **answers: Callable[[], web.Response]) -> None:
        self._answers = answers
        self.seen: list[web.Request] = []

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        self.seen.append(http)
        if http.path == "/picture":
            return web.Response(body=PICTURE, content_type="image/png")
        return self._answers[http.path.strip("/")]()


def moved(location: str, status: int = 302) -> Callable[[], web.Response]:
    headers = {"Location": location}
    return lambda: web.Response(status=status, headers=headers)


def files(body: bytes) -> Callable[[], web.Response]:
    return lambda: web.Response(body=body, content_type="image/png")


async def test_an_image_is_fetched_whole_and_without_the_key(partial: Partial) -> None:
    shelf = Shelf()
    async with serving(shelf) as origin:
        assert await fetched(f"{origin}/picture?signature=x%2Fy", partial) is None
    draft = await partial.finish()
    assert isinstance(draft, Draft)
    assert draft.bytes == len(PICTURE)
    (http,) = shelf.seen
    assert "Authorization" not in http.headers
    assert KEY not in str(http.headers)
    assert http.raw_path.endswith("signature=x%2Fy")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_without_the_key(
    partial: Partial, status: int
) -> None:
    shelf = Shelf(old=moved("picture", status))
    async with serving(shelf) as origin:
        assert await fetched(f"{origin}/old", partial) is None
    assert all("Authorization" not in http.headers for http in shelf.seen)


async def test_a_circle_of_redirects_has_an_end(partial: Partial) -> None:
    shelf = Shelf(a=moved("/b"), b=moved("/a"))
    async with serving(shelf) as origin:
        failure = await refusal(f"{origin}/a", partial)
    assert "redirected" in failure.message
    assert not failure.final
    assert len(shelf.seen) == 6


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/picture",
        "data:image/png;base64,AAAA",
        "gopher://127.0.0.1/",
        "http://10.0.0.1/picture",
        "http://192.168.1.1/picture",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/picture",
        "http://[fc00::1]/picture",
        "http://[::ffff:10.0.0.1]/picture",
        "http://0.0.0.0/picture",
        "http://224.0.0.1/picture",
    ],
)
async def test_neither_a_url_nor_a_redirect_leads_to_where_no_image_may_be(
    partial: Partial, target: str
) -> None:
    shelf = Shelf(old=moved(target))
    async with serving(shelf) as origin:
        assert (await refusal(target, partial)).final
        assert (await refusal(f"{origin}/old", partial)).final
    assert len(shelf.seen) == 1


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "[::1]", "0x7f.0.0.1"]
)
async def test_a_gateway_far_away_does_not_lead_to_this_machine(
    partial: Partial, host: str
) -> None:
    shelf = Shelf()
    async with serving(shelf) as origin:
        port = origin.rpartition(":")[2]
        url = f"http://{host}:{port}/picture"
        failure = await refusal(url, partial, base_url="https://192.0.2.1/v1")
    assert "will not fetch" in failure.message or "canonical" in failure.message
    assert shelf.seen == []


@pytest.mark.parametrize(
    ("status", "final"),
    [
        *((status, True) for status in (410, 451)),
        *((status, False) for status in (204, 206, 400, 408, 429, 500, 502, 503)),
        *((status, False) for status in (401, 403, 404)),  # not there yet, perhaps
    ],
)
async def test_a_status_tells_whether_the_url_is_gone_for_good(
    partial: Partial, status: int, *, final: bool
) -> None:
    shelf = Shelf(x=lambda: web.Response(status=status))
    async with serving(shelf) as origin:
        failure = await refusal(f"{origin}/x", partial)
    assert (failure.status, failure.final) == (status, final)


@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html>", PICTURE[:1000]], ids=["empty", "page", "cut"]
)
async def test_what_is_no_whole_image_is_worth_another_try(
    partial: Partial, body: bytes
) -> None:
    shelf = Shelf(x=files(body))
    async with serving(shelf) as origin:
        assert not (await refusal(f"{origin}/x", partial)).final


async def test_a_cut_download_is_worth_another_try(partial: Partial) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PICTURE)
        writer.write(head + PICTURE[:100_000])
        await writer.drain()

    async with talking(talk) as origin:
        failure = await refusal(f"{origin}/picture", partial)
    assert not failure.final


async def test_a_download_has_a_time_limit(partial: Partial) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with talking(talk) as origin:
        failure = await fetched(f"{origin}/picture", partial, seconds=0.1)
    assert failure is not None
    assert not failure.final


@pytest.mark.parametrize(
    "url", ["http://images.invalid/a", "http://127.0.0.1:1/a", "http://[::1", "a b", ""]
)
async def test_a_url_that_leads_nowhere_is_a_failure_and_no_exception(
    partial: Partial, url: str
) -> None:
    assert (await refusal(url, partial)).message


async def test_a_compressed_image_is_unpacked(partial: Partial) -> None:
    async def handler(http: web.Request) -> web.StreamResponse:
        del http
        response = web.Response(body=PICTURE, content_type="image/png")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(handler) as origin:
        assert await fetched(f"{origin}/picture", partial) is None


async def test_a_user_in_a_url_is_told_to_its_host_alone(partial: Partial) -> None:
    shelf = Shelf(old=moved("/picture"))
    async with serving(shelf) as origin:
        url = origin.replace("http://", "http://name:word@") + "/old"
        assert await fetched(url, partial) is None
        assert await fetched(f"{origin}/picture", partial) is None
    headers = [http.headers.get("Authorization") for http in shelf.seen]
    assert headers == ["Basic bmFtZTp3b3Jk", "Basic bmFtZTp3b3Jk", None]
