"""A gateway that says the key wherever it can say anything."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from tests.acceptance.program import Program, events
from tests.integration.odd_server import serving
from tests.integration.store_conformance import png

KEY = "sk-a+key/that=nobody-else-may-see"
SPELT = quote(KEY, safe="")
ELSEWHERE = "http://localhost"
PICTURE = png()
BASE64 = base64.b64encode(PICTURE).decode()

Answer = Callable[[str], web.Response]


def image(**entry: object) -> Answer:
    """Reply with an image, and with the key beside it."""
    echo = {"usage": {KEY: KEY, "nested": {"key": KEY}}, "quality": KEY, "size": KEY}
    entry = {"b64_json": BASE64, "revised_prompt": f"a {KEY} {SPELT}", **entry}
    return lambda _: web.json_response({"data": [entry], **echo, "warnings": [KEY]})


def address(place: str) -> Answer:
    """Reply with an address that holds the key."""

    def answer(origin: str) -> web.Response:
        url = place.format(origin=origin, port=origin.rpartition(":")[2])
        return web.json_response({"data": [{"url": url, "revised_prompt": KEY}]})

    return answer


def error(status: int, **fields: str) -> Answer:
    """Reply with an error that holds the key."""
    body = {"error": {"message": "no", **fields}, "message": KEY}
    return lambda _: web.json_response(body, status=status)


def text(status: int, body: str, kind: str = "text/plain", **headers: str) -> Answer:
    """Reply with anything."""
    return lambda _: web.Response(
        status=status, text=body, content_type=kind, headers=headers
    )


KEPT: dict[str, Answer] = {
    "image": image(),
    "url": address(f"{{origin}}/{SPELT}/i.png?key={SPELT}"),
    "hop": address(f"{{origin}}/hop?key={SPELT}"),
}
"""Ways to say the key beside an image that can be kept."""

LOST: dict[str, Answer] = {
    "elsewhere": address(f"{ELSEWHERE}:{{port}}/i.png?key={SPELT}"),
    "hop-elsewhere": address(f"{{origin}}/away?key={SPELT}"),
    "no-address": address(f"http://[{KEY}"),
    "gone": address(f"{{origin}}/gone?key={SPELT}"),
    "message": error(400, message=f"bad {KEY} or {SPELT}"),
    "hidden": error(400, message="bad " + "\u200b".join(KEY)),
    "code": error(400, message="", code=KEY),
    "type": error(400, type=KEY, param=KEY),
    "parameter": error(400, message=f"Unknown parameter: '{KEY}'", param=KEY),
    "moderation": error(400, message=f"{KEY} rejected by the safety system"),
    "page": text(500, f"<html><title>{KEY}</title>{KEY}", "text/html"),
    "text": text(502, f"no {KEY}"),
    "cut": text(200, '{"data":[{"b64_json":"' + f'","echo":"{KEY}'),
    "no-image": text(200, f'{{"data":[{{"b64_json":"{KEY}"}}],"id":"{KEY}"}}'),
    "wait": text(503, "later", **{"Retry-After": KEY, "x-ratelimit-limit": KEY}),
}
"""Ways to say the key with a request that fails."""

STOPS: dict[str, Answer] = {
    "auth": error(401, message=f"Incorrect API key provided: {KEY}"),
    "quota": error(402, message=f"{KEY} has no money", code=KEY),
    "moved": text(301, "", Location=f"https://u:{SPELT}@a.example/{SPELT}?key={KEY}"),
    "moved-raw": text(308, "", Location=f"/{KEY}/?key={KEY}"),
    "missing": text(404, f"<html><h1>no {KEY}</h1>", "text/html"),
}
"""Ways to say the key that stop a run."""

MODELS: dict[str, Answer] = {
    "listed": text(200, f'{{"data":[{{"id":"image-{KEY}"}}]}}', "application/json"),
    "refused": text(401, f'{{"error":{{"message":"no {KEY}"}}}}'),
    "away": text(302, KEY, Location=f"https://a.example/{KEY}?{KEY}"),
}
"""Ways to say the key when asked for the models."""


class Echo:
    """A gateway that answers a prompt in the way that it names."""

    def __init__(self, models: str = "listed") -> None:
        self._models = MODELS[models]
        self.keys_elsewhere = 0

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        origin = f"http://{http.host}"
        assert http.headers.get("Authorization", KEY).endswith(KEY)
        self.keys_elsewhere += http.host.startswith("localhost")
        if http.method == "POST":
            way = (await http.json())["prompt"]
            answer = (KEPT | LOST | STOPS)[way](origin)
        elif http.path.endswith(".png"):
            answer = web.Response(body=PICTURE, content_type="image/png")
        elif http.path in ("/hop", "/away"):
            host = (
                origin
                if http.path == "/hop"
                else origin.replace("127.0.0.1", "localhost")
            )
            where = f"{host}/{SPELT}.png?key={SPELT}"
            answer = web.Response(status=302, headers={"Location": where})
        elif http.path == "/v1/models":
            answer = self._models(origin)
        else:
            answer = web.Response(status=410, text=KEY)
        for name in ("x-request-id", "cf-ray", "Server", "x-warning"):
            answer.headers[name] = f"{name}-{KEY}"
        return answer


def manifest(ways: dict[str, Answer]) -> str:
    rows = "\n".join(f"  - {{name: {way}, prompt: {way}}}" for way in ways)
    return f"settings: {{embed_metadata: true, max_attempts: 1}}\nrequests:\n{rows}\n"


def leaks(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if KEY.encode() in content or SPELT.encode() in content:
            yield f"{path.relative_to(folder)}: {content!r}"


async def said(program: Program, *commands: tuple[str, ...]) -> str:
    """Run commands one after the other; give all that they print."""
    printed = ""
    for words in commands:
        done = await asyncio.to_thread(program, *words, BATCHER_API_KEY=KEY)
        printed += done.stdout + done.stderr
        assert "Traceback" not in printed
    return printed


async def test_what_a_gateway_says_brings_the_key_nowhere(program: Program) -> None:
    program.write("m.yaml", manifest(KEPT | LOST))
    echo = Echo()
    async with serving(echo) as origin:
        run = ("run", "m.yaml", "--base-url", f"{origin}/v1", "--out", "out")
        printed = await said(
            program,
            (*run, "--log-format", "text"),
            ("list", "out", "--json"),
            *(("show", "out", way) for way in (*KEPT, "elsewhere", "message")),
            ("report", "out"),
            (*run, "--retry", "all", "--log-format", "json"),
            ("status", "out", "--json"),
            ("verify", "out", "--deep"),
            ("export", "out", "--format", "csv", "--out", "export"),
        )
    results = {line["name"]: line for line in events(program.folder / "out", "result")}
    assert set(results) == set(KEPT | LOST)
    kept = {name for name, line in results.items() if line["status"] == "succeeded"}
    assert kept == set(KEPT)
    assert results["image"]["request_id"] == "x-request-id-***"
    assert "holds the key" in str(results["elsewhere"]["error"])
    assert echo.keys_elsewhere == 0
    assert [*leaks(program.folder)] == []
    assert KEY not in printed
    assert SPELT not in printed


@pytest.mark.parametrize("way", STOPS)
async def test_what_stops_a_run_does_not_show_the_key(
    program: Program, way: str
) -> None:
    program.write("m.yaml", manifest({way: STOPS[way]}))
    async with serving(Echo()) as origin:
        run = ("run", "m.yaml", "--base-url", f"{origin}/v1", "--out", "out")
        printed = await said(program, run, ("status", "out", "--json"))
    assert "stopped: " in printed
    assert "***" in printed
    assert [*leaks(program.folder)] == []
    assert KEY not in printed
    assert SPELT not in printed


@pytest.mark.parametrize("models", MODELS)
async def test_a_check_does_not_show_the_key(program: Program, models: str) -> None:
    program.write("m.yaml", manifest(KEPT))
    async with serving(Echo(models)) as origin:
        run = ("run", "m.yaml", "--base-url", f"{origin}/v1", "--out", "out")
        printed = await said(program, (*run, "--check"), run)
    assert "***" in printed
    assert [*leaks(program.folder)] == []
    assert KEY not in printed
    assert SPELT not in printed
