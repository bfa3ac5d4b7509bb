from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiohttp
import openai
import pytest
from PIL import Image

from batcher.sandbox import FaultRule, Sandbox, SandboxOptions, serve

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.sandbox.reply import Document

MODEL = "gpt-image-2-pro"
SMALL: dict[str, object] = {"model": MODEL, "prompt": "a fox", "size": "64x48"}
KEY = {"Authorization": "Bearer sandbox"}


async def post(sandbox: Sandbox, **fields: object) -> tuple[int, Document]:
    url = f"{sandbox.base_url}/images/generations"
    body = io.BytesIO(json.dumps({**SMALL, **fields}).encode())
    async with (
        aiohttp.ClientSession(headers=KEY) as client,
        client.post(url, data=body) as reply,
    ):
        return reply.status, json.loads(await reply.read())


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what others do at their own pace."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - another's clock
            await asyncio.sleep(0.01)


async def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.get(url) as reply,
    ):
        return reply.status, await reply.read()


def images(document: Document) -> list[Document]:
    data = document["data"]
    assert isinstance(data, list)
    return data


def error(document: Document) -> Document:
    found = document["error"]
    assert isinstance(found, dict)
    return found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def api(sandbox: Sandbox, key: str = "sandbox") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=sandbox.base_url, api_key=key, max_retries=0)


async def test_the_official_client_gets_an_image_of_the_size_it_asked_for() -> None:
    async with Sandbox() as sandbox, api(sandbox) as client:
        reply = await client.images.generate(
            model=MODEL, prompt="a fox", size="1536x1024", quality="high"
        )
        assert reply.data is not None
        assert reply.usage is not None
        image = opened(base64.b64decode(reply.data[0].b64_json or ""))
        assert (image.format, image.size) == ("PNG", (1536, 1024))
        assert reply.usage.output_tokens == 5488
        assert (reply.size, reply.quality) == ("1536x1024", "high")
        names = [model.id async for model in client.models.list()]
        assert MODEL in names


async def test_the_official_client_understands_the_errors() -> None:
    async with (
        Sandbox() as sandbox,
        api(sandbox) as client,
        api(sandbox, "no") as other,
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.images.generate(model=MODEL, prompt="sandbox:moderation")
        assert refused.value.code == "moderation_blocked"
        with pytest.raises(openai.RateLimitError):
            await client.images.generate(model=MODEL, prompt="sandbox:slow_down")
        with pytest.raises(openai.AuthenticationError):
            await other.images.generate(model=MODEL, prompt="a fox")
        with pytest.raises(openai.AuthenticationError):
            await other.models.list()


async def test_the_gateway_gives_a_request_id_and_a_proxy_gives_none() -> None:
    async with Sandbox() as sandbox, api(sandbox) as client:
        for prompt in ("sandbox:server", "sandbox:cloudflare_524"):
            with pytest.raises(openai.InternalServerError) as refused:
                await client.images.generate(model=MODEL, prompt=prompt)
            headers = refused.value.response.headers
            assert ("X-Oneapi-Request-Id" in headers) == (prompt == "sandbox:server")


async def test_a_url_gives_the_image_without_a_key() -> None:
    async with Sandbox() as sandbox:
        status, document = await post(sandbox, response_format="url", n=2)
        urls = [str(image["url"]) for image in images(document)]
        assert status == 200
        assert len(set(urls)) == 2
        files = [await fetch(url) for url in urls]
        again = [await fetch(url) for url in urls]
        assert files == again
        assert {opened(content).size for _, content in files} == {(64, 48)}
        assert (sandbox.journal.downloads, sandbox.journal.keys_seen) == (4, 0)


async def test_a_url_ends_and_cannot_be_guessed() -> None:
    async with Sandbox(SandboxOptions(url_ttl=-1)) as sandbox:
        _, document = await post(sandbox, response_format="url")
        url = str(images(document)[0]["url"])
        assert (await fetch(url))[0] == 403
        assert (await fetch(url.replace("/files/", "/files/A")))[0] == 404


async def test_a_key_that_is_sent_astray_is_noticed() -> None:
    async with Sandbox() as sandbox:
        _, document = await post(sandbox, response_format="url")
        await fetch(str(images(document)[0]["url"]), **KEY)
        assert sandbox.journal.keys_seen == 1


async def test_samples_of_one_prompt_differ_and_repeat_in_the_next_rehearsal() -> None:
    async def rehearsal() -> list[Document]:
        async with Sandbox() as sandbox:
            replies = [await post(sandbox) for _ in range(3)]
            return [images(document)[0] for _, document in replies]

    first, second = await rehearsal(), await rehearsal()
    assert first == second
    assert len({str(image["b64_json"]) for image in first}) == 3


@pytest.mark.parametrize(
    ("key", "sent", "status"),
    [
        ("sandbox", {}, 401),
        ("sandbox", {"Authorization": "Bearer other"}, 401),
        ("sandbox", KEY, 200),
        (None, {}, 200),
        (None, {"Authorization": "Bearer other"}, 200),
    ],
)
async def test_the_balance_is_told_to_the_key_alone(
    key: str | None, sent: dict[str, str], status: int
) -> None:
    options = SandboxOptions(key=key, balance_usd=1.0)
    async with Sandbox(options) as sandbox:
        root = sandbox.base_url.removesuffix("/v1")
        for path in ("/api/usage/token/", "/api/usage/token"):
            told, body = await fetch(root + path, **sent)
            document = json.loads(body)
            assert told == status
            if status == 200:
                assert document["data"]["total_available"] == 500_000
            else:
                assert document["success"] is False


async def test_money_that_is_spent_is_gone_and_money_for_nothing_is_not() -> None:
    async with Sandbox(SandboxOptions(balance_usd=0.12)) as sandbox:
        size = "1024x1024"
        assert (await post(sandbox, prompt="sandbox:server", size=size))[0] == 500
        assert (await post(sandbox, size=size))[0] == 200
        with pytest.raises(json.JSONDecodeError):
            await post(sandbox, prompt="sandbox:html_504", size=size)
        status, document = await post(sandbox, size=size)
        assert status == 403
        assert error(document)["code"] == "insufficient_user_quota"
        assert sandbox.journal.billed == 2
        assert float(sandbox.journal.billed_usd) == pytest.approx(0.1054, rel=0.01)


@pytest.mark.parametrize("retry_after", [True, False])
async def test_images_beyond_the_pace_are_refused(*, retry_after: bool) -> None:
    options = SandboxOptions(ipm=6, burst=2, retry_after=retry_after)
    async with Sandbox(options) as sandbox, api(sandbox) as client:
        assert (await post(sandbox, n=2))[0] == 200
        with pytest.raises(openai.RateLimitError) as refused:
            await client.images.generate(model=MODEL, prompt="a fox")
        assert refused.value.code == "rate_limit_exceeded"
        hint = refused.value.response.headers.get("Retry-After")
        assert (hint is not None) == retry_after
        assert 0 < int(hint or 10) <= 10  # less the time since the first
        assert (sandbox.journal.posts, sandbox.journal.images) == (2, 2)


async def test_the_journal_has_a_line_before_and_after_each_image(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.jsonl"
    async with Sandbox(SandboxOptions(journal=path)) as sandbox:
        await post(sandbox, watermark=False, image="QUJD", n=2)
        await post(sandbox, prompt="sandbox:invalid")
        shown = await fetch(sandbox.base_url.replace("/v1", "/sandbox/journal"))
        assert shown == (200, path.read_bytes())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["event"], line["number"]) for line in lines] == [
        ("post", 1),
        ("end", 1),
        ("post", 2),
        ("end", 2),
    ]
    first, end, second, refused = lines
    assert first["fields"] == [*SMALL, "watermark", "image", "n"]
    assert (first["watermark"], first["has_image"], first["fault"]) == (
        False,
        True,
        None,
    )
    assert (end["status"], end["billed"], end["images"]) == (200, True, 2)
    assert "watermark" not in second
    assert second["fault"] == "invalid"
    assert (refused["status"], refused["billed"], refused["images"]) == (400, False, 0)
    assert "Bearer" not in path.read_text()


async def test_a_client_that_leaves_is_billed_all_the_same() -> None:
    async with Sandbox(SandboxOptions(latency=(0.2, 0.2))) as sandbox:
        waiting = asyncio.create_task(post(sandbox))
        await until(lambda: sandbox.journal.posts == 1)
        assert [line["event"] for line in sandbox.journal] == ["post"]
        waiting.cancel()
        await until(lambda: sandbox.journal.billed == 1)
        assert waiting.cancelled()
        assert sandbox.journal.images == 1


async def test_faults_come_at_the_rate_that_was_asked() -> None:
    rules = (FaultRule(name="server", probability=0.5),)
    async with Sandbox(SandboxOptions(faults=rules, seed=5)) as sandbox:
        posts = (post(sandbox, prompt=f"fox {i}", size="8x8") for i in range(60))
        statuses = [status for status, _ in await asyncio.gather(*posts)]
        assert 18 <= statuses.count(500) <= 42


async def test_a_misspelt_wish_is_refused_with_a_hint() -> None:
    async with Sandbox() as sandbox:
        status, document = await post(sandbox, prompt="sandbox:trunkate")
        assert status == 400
        assert "truncate" in str(error(document)["message"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/v1/images/generations", 404),
        ("GET", "/v1/images/generations", 501),
        ("POST", "/v1/images/variations", 501),
        ("GET", "/", 404),
    ],
)
async def test_what_the_gateway_does_not_have_is_refused_as_json(
    method: str, path: str, status: int
) -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as client:
        url = sandbox.base_url.removesuffix("/v1") + path
        async with client.request(method, url) as reply:
            assert reply.status == status
            assert "message" in (await reply.json())["error"]


async def test_a_long_reference_image_is_read_and_a_longer_one_refused() -> None:
    async with Sandbox() as sandbox:
        picture = base64.b64encode(bytes(2**20)).decode()
        assert (await post(sandbox, image=picture))[0] == 200
        assert (await post(sandbox, image=picture + "!"))[0] == 400
        status, document = await post(sandbox, image="A" * 129 * 2**20)
        assert status == 413
        assert error(document)["code"] == "read_request_body_failed"


async def test_an_unreadable_post_is_refused_and_journalled() -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession(headers=KEY) as client:
        url = f"{sandbox.base_url}/images/generations"
        async with client.post(url, data=b"{") as reply:
            assert reply.status == 400
        assert sandbox.journal.posts == 1


async def test_it_stops_at_once_with_work_in_flight() -> None:
    loop = asyncio.get_running_loop()
    sandbox = Sandbox(SandboxOptions(latency=(60, 60)))
    async with sandbox, asyncio.TaskGroup() as group:
        waiting = [group.create_task(lost(sandbox)) for _ in range(5)]
        await until(lambda: sandbox.journal.posts == 5)
        started = loop.time()
        await sandbox.stack.aclose()
        assert loop.time() - started < 30
        assert all(await asyncio.gather(*waiting))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", sandbox.port)) != 0


async def lost(sandbox: Sandbox) -> bool:
    try:
        await post(sandbox)
    except aiohttp.ClientError:
        return True
    return False


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(OSError, match="address already in use"):
            async with Sandbox(SandboxOptions(port=sandbox.port)):
                pass


async def test_it_runs_alone_until_it_is_cancelled() -> None:
    urls: list[str] = []
    listening = asyncio.Event()

    def ready(url: str) -> None:
        urls.append(url)
        listening.set()

    running = asyncio.create_task(serve(SandboxOptions(key=None), ready))
    await listening.wait()
    assert (await fetch(f"{urls[0]}/models"))[0] == 200
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(aiohttp.ClientConnectionError):
        await fetch(f"{urls[0]}/models")


@pytest.mark.parametrize("fault", ["slow_body", "truncate", "reset", "hang", "drop"])
@pytest.mark.parametrize("share", [0.5, 1.0], ids=["half a request", "a request"])
async def test_a_client_that_leaves_early_makes_no_noise(
    fault: str, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({**SMALL, "prompt": f"sandbox:{fault}"}).encode()
    head = "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: Bearer sandbox\r\nContent-Length: {len(body)}\r\n\r\n"
    async with Sandbox() as sandbox:
        idle = len(asyncio.all_tasks())
        _, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        writer.write(head.encode() + body[: int(len(body) * share)])
        await writer.drain()
        async with asyncio.timeout(30):
            while len(asyncio.all_tasks()) == idle:  # noqa: ASYNC110 - another's clock
                await asyncio.sleep(0)
        writer.transport.abort()
        await until(lambda: len(asyncio.all_tasks()) <= idle)
    assert not caplog.records
