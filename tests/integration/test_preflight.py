"""What a gateway says before a run, and what it cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from batcher.config import Secret
from batcher.transport.preflight import Preflight, preflight
from tests.integration.odd_server import serving, talking

KEY = Secret("sk-a-key-that-nobody-else-may-see")
MODEL = "gpt-image-2-pro"


async def asked(answer: Callable[[], web.Response]) -> Preflight:
    async def handler(http: web.Request) -> web.StreamResponse:
        return answer() if http.path == "/v1/models" else web.Response(status=404)

    async with serving(handler) as origin:
        return await preflight(f"{origin}/v1", KEY)


async def test_a_model_that_is_listed_gives_no_remark() -> None:
    found = await asked(lambda: web.json_response({"data": [{"id": MODEL}]}))
    assert (found.trouble, found.unchecked) == (None, None)
    assert found.remarks(MODEL, None) == []
    assert found.remarks("other", None) == [
        f"the gateway does not list the model 'other'; it has {MODEL}"
    ]


@pytest.mark.parametrize(
    ("status", "body", "location", "why"),
    [
        (404, "", "", "HTTP 404"),
        (503, "{}", "", "HTTP 503"),
        (200, "<html>", "", "no list of models"),
        (200, '{"data": []}', "", "no list of models"),
        (
            301,
            "",
            "https://u:p@a.example/v1?x",
            "HTTP 301, moved to https://a.example/v1",
        ),
        (302, "", "/login", "HTTP 302, moved to /login"),
    ],
)
async def test_what_could_not_be_checked_is_said(
    status: int, body: str, location: str, why: str
) -> None:
    headers = {"Location": location} if location else {}
    found = await asked(lambda: web.Response(status=status, text=body, headers=headers))
    assert (found.trouble, found.refusal, found.models) == (None, None, None)
    assert found.unchecked == why


async def test_a_refused_key_is_the_gateways_words() -> None:
    body = {"error": {"message": "Invalid\x1b[1m token"}}
    found = await asked(lambda: web.json_response(body, status=401))
    assert found.refusal == "Invalid token"
    assert found.unchecked is None


async def test_who_is_not_there_is_named_with_the_reason() -> None:
    async def never(http: web.Request) -> web.StreamResponse:
        raise AssertionError(http.path)

    async with serving(never) as origin:
        pass
    found = await preflight(f"{origin}/v1", KEY)
    assert "Connection refused" in str(found.trouble)
    unknown = await preflight("http://gateway.invalid/v1", KEY)
    assert "no connection to gateway.invalid:80: " in str(unknown.trouble)


async def test_a_certificate_nobody_vouches_for_is_the_reason() -> None:
    async def never(
        reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    async with talking(never, is_tls=True) as origin:
        found = await preflight(f"{origin}/v1", KEY)
    assert "certificate verify failed" in str(found.trouble)


async def test_who_says_nothing_is_not_waited_for_long() -> None:
    async def silent(
        reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    async with talking(silent) as origin:
        found = await preflight(f"{origin}/v1", KEY, seconds=0.1)
    assert found.trouble == "nothing came within 0.1 s"
