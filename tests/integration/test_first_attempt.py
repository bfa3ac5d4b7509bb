"""A gateway that fails each request once, in some way, and would then make it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.odd_server import serving
from tests.integration.test_runner import Project
from tests.integration.test_worker import WHOLE, check_books

MANY = 24
MANIFEST = f"""
defaults: {{size: 64x64}}
requests:
  - name: "fox {{{{ i }}}}"
    prompt: "fox {{{{ i }}}}"
    matrix: {{i: {{range: [1, {MANY}]}}}}
"""


class Shy:
    """Fails whatever it has not seen before."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.posts: Counter[str] = Counter()

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        prompt = (await http.json())["prompt"]
        self.posts[prompt] += 1
        if self.posts[prompt] > 1:
            return web.json_response({"data": [{"b64_json": WHOLE}]})
        error = {"error": {"message": "not yet"}}
        return web.json_response(error, status=self.status, headers=self.headers)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (500, {}),
        (503, {}),
        (429, {"Retry-After": "1"}),
        (429, {"Retry-After": "0"}),
        (429, {}),
    ],
    ids=["500", "503", "429 after 1 s", "429 after 0 s", "429"],
)
async def test_all_are_kept_with_two_posts_each(
    tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    gateway = Shy(status, headers)
    async with serving(gateway) as origin:
        project = Project(tmp_path, f"{origin}/v1")
        project.write(MANIFEST)
        summary = await project.run(concurrency=8)
    assert (summary.succeeded, summary.exit_code) == (MANY, 0)
    assert set(gateway.posts.values()) == {2}
    assert summary.attempts == gateway.posts.total() == 2 * MANY
    check_books(project.out)


async def test_a_few_that_always_fail_end_by_their_own_attempts(tmp_path: Path) -> None:
    """They are no outage to wait for, however often each is tried."""

    async def failing(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "boom"}}, status=500)

    async with serving(failing) as origin:
        project = Project(tmp_path, f"{origin}/v1")
        project.write(MANIFEST)
        summary = await project.run(first=3, max_attempts=4)
    assert (summary.failed, summary.attempts) == (3, 12)
    assert summary.exit_code == 1
