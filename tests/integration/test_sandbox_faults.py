from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest
from PIL import Image

from batcher.sandbox import Sandbox
from batcher.sandbox.faults import FAULTS
from tests.integration.test_sandbox import until

if TYPE_CHECKING:
    from batcher.sandbox.reply import Document

KEY = {"Authorization": "Bearer sandbox"}


async def meet(sandbox: Sandbox, fault: str, **fields: object) -> tuple[int, bytes]:
    sent = {"model": "m", "prompt": f"sandbox:{fault}", "size": "64x48", **fields}
    url = f"{sandbox.base_url}/images/generations"
    async with (
        aiohttp.ClientSession(headers=KEY) as client,
        client.post(url, json=sent, allow_redirects=False) as reply,
    ):
        return reply.status, await reply.read()


async def first(sandbox: Sandbox, fault: str, **fields: object) -> dict[str, str]:
    status, body = await meet(sandbox, fault, **fields)
    document: Document = json.loads(body)
    data = document["data"]
    assert status == 200
    assert isinstance(data, list)
    image: dict[str, str] = data[0]
    return image


async def file(sandbox: Sandbox, fault: str) -> str:
    return (await first(sandbox, fault, response_format="b64_json"))["url"]


def end(sandbox: Sandbox) -> Document:
    return [line for line in sandbox.journal if line["event"] == "end"][-1]


QUIET = ("hang", "drop", "reset", "truncate")


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - set(QUIET)))
async def test_a_fault_gets_through_to_the_client_and_into_the_journal(
    fault: str,
) -> None:
    async with Sandbox() as sandbox:
        status, _ = await meet(sandbox, fault)
        fields = [line["fault"] for line in sandbox.journal if line["event"] == "post"]
        assert fields == [fault]
        assert end(sandbox)["status"] == status
        answered = FAULTS[fault].answer is not None and fault != "unknown_parameter"
        assert end(sandbox)["billed"] == (FAULTS[fault].billed or not answered)
        assert end(sandbox)["images"] == (0 if answered else 1)


@pytest.mark.parametrize(
    ("fault", "billed"), [("drop", False), ("reset", True), ("truncate", True)]
)
async def test_a_connection_breaks(*, fault: str, billed: bool) -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(aiohttp.ClientError):
            await meet(sandbox, fault)
        assert end(sandbox)["billed"] == billed


async def test_a_reset_is_a_reset_and_a_drop_an_end_of_file() -> None:
    async with Sandbox() as sandbox:
        body = b'{"model":"m","prompt":"sandbox:%b","size":"8x8"}'
        head = b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\n"
        head += b"Authorization: Bearer sandbox\r\nContent-Length: %d\r\n\r\n"
        for fault in (b"drop", b"reset"):
            port = sandbox.port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            content = body % fault
            writer.write(head % len(content) + content)
            if fault == b"drop":
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
            else:
                with pytest.raises(ConnectionResetError):
                    await reader.read()


async def test_a_cut_reply_promises_more_than_it_holds() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(aiohttp.ClientPayloadError):
            await meet(sandbox, "truncate")


async def test_a_hanging_post_never_answers_and_is_billed() -> None:
    async with Sandbox() as sandbox:
        waiting = asyncio.create_task(meet(sandbox, "hang"))
        await until(lambda: sandbox.journal.billed == 1)
        await asyncio.wait({waiting}, timeout=0.1)
        assert not waiting.done()
        waiting.cancel()


async def test_a_hanging_handler_ends_when_its_client_leaves() -> None:
    before = asyncio.all_tasks()
    async with Sandbox() as sandbox:
        idle = len(asyncio.all_tasks())
        waiting = asyncio.create_task(meet(sandbox, "hang"))
        await until(lambda: sandbox.journal.billed == 1)
        waiting.cancel()
        await until(lambda: len(asyncio.all_tasks()) <= idle)
    assert asyncio.all_tasks() == before


async def test_a_wish_with_a_number_ends() -> None:
    async with Sandbox() as sandbox:
        statuses = [(await meet(sandbox, "no_channel*2"))[0] for _ in range(3)]
        assert statuses == [503, 503, 200]


async def test_a_slow_reply_is_whole_in_the_end() -> None:
    async with Sandbox() as sandbox:
        for fault in ("slow_body", "processing", "keepalive_blanks", "escaped"):
            content = base64.b64decode((await first(sandbox, fault))["b64_json"])
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                assert image.size == (64, 48)


@pytest.mark.parametrize(
    ("fault", "format_", "size"),
    [("wrong_size", "PNG", (40, 30)), ("wrong_format", "GIF", (64, 48))],
)
@pytest.mark.parametrize("carrier", ["url", "b64_json"])
async def test_an_image_is_not_what_was_asked_for_by_either_carrier(
    fault: str, format_: str, size: tuple[int, int], carrier: str
) -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as client:
        found = await first(sandbox, fault, response_format=carrier)
        if carrier == "url":
            async with client.get(found["url"]) as reply:
                content = await reply.read()
        else:
            content = base64.b64decode(found["b64_json"])
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            assert (image.format, image.size) == (format_, size)


async def test_a_cut_image_is_not_readable() -> None:
    async with Sandbox() as sandbox:
        content = base64.b64decode((await first(sandbox, "cut_image"))["b64_json"])
        with (
            Image.open(io.BytesIO(content)) as image,
            pytest.raises(OSError, match="trun"),
        ):
            image.load()


async def test_fewer_images_come_than_are_billed() -> None:
    async with Sandbox() as sandbox:
        _, body = await meet(sandbox, "fewer_images", n=3)
        assert len(json.loads(body)["data"]) == 1
        assert (sandbox.journal.images, sandbox.journal.billed) == (1, 3)


async def test_a_downgrade_shows_in_echo_and_tokens() -> None:
    async with Sandbox() as sandbox:
        _, body = await meet(sandbox, "downgraded", quality="high", size="1024x1024")
        document = json.loads(body)
        assert document["quality"] == "medium"
        assert document["usage"]["output_tokens"] == 1756


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("download_404", [404, 404]),
        ("download_500", [500, 200]),
        ("download_expired", [403, 403]),
        ("download_html", [200, 200]),
        ("download_redirect", [200, 200]),
    ],
)
async def test_a_download_fails(fault: str, statuses: list[int]) -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as client:
        url = await file(sandbox, fault)
        found = []
        for _ in statuses:
            async with client.get(url) as reply:
                found.append(reply.status)
                kind = "text/html" if fault == "download_html" else "image/png"
                assert reply.status != 200 or reply.content_type == kind
        assert found == statuses


async def test_a_redirected_file_stands_under_another_path() -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as client:
        url = await file(sandbox, "download_redirect")
        async with client.get(url) as reply:
            assert [hop.status for hop in reply.history] == [302]
            assert reply.url.path.startswith("/files/moved/")


async def test_a_download_is_cut() -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as client:
        url = await file(sandbox, "download_cut")
        async with client.get(url) as reply:
            with pytest.raises(aiohttp.ClientPayloadError):
                await reply.read()
