"""What `--check` says of gateways that cannot be asked."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.acceptance.program import Program
from tests.integration.odd_server import serving

MANIFEST = "requests: [{prompt: a cube}]\n"
CHECK = ("run", "m.yaml", "--check", "--base-url")


async def absent(_: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


async def test_a_check_says_what_it_could_not_check(program: Program) -> None:
    program.write("m.yaml", MANIFEST)
    async with serving(absent) as origin:
        done = await asyncio.to_thread(
            program, *CHECK, f"{origin}/v1", BATCHER_API_KEY="made-up"
        )
    assert done.returncode == 0
    assert done.stdout == (
        "the gateway answers; key and model are not checked:"
        f" {origin}/v1/models: HTTP 404\n"
    )


async def test_a_check_says_why_nobody_answers(program: Program) -> None:
    program.write("m.yaml", MANIFEST)
    async with serving(absent) as origin:
        pass
    done = await asyncio.to_thread(
        program, *CHECK, f"{origin}/v1", BATCHER_API_KEY="made-up"
    )
    assert done.returncode == 3
    assert f"no answer from {origin}/v1/models: no connection to" in done.stdout
    assert "Connection refused" in done.stdout
