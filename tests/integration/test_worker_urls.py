"""A paid image at a URL is waited for, found however its URL is spelt, and not lost."""

from __future__ import annotations

import base64
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from batcher.ledger import State, read_ledger
from tests.integration.odd_server import serving
from tests.integration.store_conformance import png
from tests.integration.test_worker import (
    check_books,
    desk,
    error_of,
    events,
    files,
    last,
    lines,
    request,
)

CUT = base64.b64encode(png(filler=40_000)[:20_000]).decode()


class Shelf:
    """A gateway whose files may not be there at first, or ever.

    Args:
        answers: Of each file the statuses it answers with, one after the other and the
            last one for ever; None is the image.
    """

    def __init__(self, *answers: tuple[int | None, ...]) -> None:
        self.answers = answers
        self.entries = [{"url": f"/files/{n}.png"} for n in range(len(answers))]
        self.posts = 0
        self.asked = Counter[str]()
        self.order: list[str] = []
        self.keys: list[str | None] = []

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        if http.method == "POST":
            await http.read()
            self.posts += 1
            return web.json_response({"data": self.entries})
        self.keys.append(http.headers.get("Authorization"))
        name = http.path.rpartition("/")[2].removesuffix(".png")
        self.order.append(name)
        answers = self.answers[int(name)]
        status = answers[min(self.asked[name], len(answers) - 1)]
        self.asked[name] += 1
        if status is not None:
            return web.Response(status=status)
        return web.Response(body=png(filler=1 + int(name)), content_type="image/png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def indexes(folder: Path) -> list[int]:
    images = last(folder)["images"]
    assert isinstance(images, list)
    return [image["index"] for image in images]


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("times", [1, 5])
async def test_an_image_is_kept_that_comes_to_its_url_after_the_reply(
    folder: Path, status: int, times: int
) -> None:
    shelf = Shelf((*times * [status], None))
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.SUCCEEDED
    assert (shelf.posts, shelf.asked["0"]) == (1, times + 1)
    assert events(folder) == ["attempt", "reply", "result"]
    assert (last(folder)["warnings"], files(folder)) == ([], ["fox.png"])


@pytest.mark.parametrize(
    ("status", "times"), [(410, 1), (451, 1), (401, 6), (403, 6), (404, 6), (500, 5)]
)
async def test_a_url_is_asked_only_so_often_in_one_run(
    folder: Path, status: int, times: int
) -> None:
    shelf = Shelf((status,))
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.FAILED
    assert (shelf.posts, shelf.asked["0"]) == (1, times)
    error = error_of(folder)
    assert (error["class"], error["status"]) == ("download", status)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_url_of_an_earlier_run_that_is_absent_still_is_asked_once(
    folder: Path, status: int
) -> None:
    shelf = Shelf(*3 * [(status,)])
    asked = request(n=3, size="8x8")
    async with serving(shelf) as origin:
        for times in (6, 7, 8):
            async with desk(folder, f"{origin}/v1") as at:
                assert await at.live(asked) is State.FAILED
            assert shelf.asked == {"0": times, "1": times, "2": times}
    assert shelf.posts == 1


async def test_images_are_asked_for_in_turn_and_those_that_came_no_more(
    folder: Path,
) -> None:
    shelf = Shelf((404, 404, None), (None,), (410,), (404, None))
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(n=4, size="8x8")) is State.SUCCEEDED
    assert shelf.order == ["0", "1", "2", "3", "0", "3", "0"]
    assert indexes(folder) == [0, 1, 3]


@pytest.mark.parametrize("status", [404, 503])
async def test_one_of_several_that_is_late_is_fetched_by_the_next_run(
    folder: Path, status: int
) -> None:
    shelf = Shelf((None,), (*6 * [status], None))
    asked = request(n=2, size="8x8")
    async with serving(shelf) as origin:
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(asked) is State.FAILED
        assert error_of(folder)["class"] == "download"
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(asked) is State.SUCCEEDED
    assert (shelf.posts, shelf.asked["0"]) == (1, 1)
    assert last(folder)["warnings"] == ["adopted"]
    assert indexes(folder) == [0, 1]
    assert read_ledger(folder).standings.spent == Decimal(1)
    check_books(folder)


async def test_one_of_several_that_never_comes_is_named_and_paid(folder: Path) -> None:
    shelf = Shelf((None,), (404,))
    asked = request(n=2, size="8x8")
    async with serving(shelf) as origin:
        for state in (State.FAILED, State.SUCCEEDED, State.SUCCEEDED):
            async with desk(folder, f"{origin}/v1", on_lost_url="buy") as at:
                assert await at.live(asked) is state
    assert shelf.posts == 1
    assert last(folder)["warnings"] == ["adopted", "lost_url", "fewer_images"]
    assert indexes(folder) == [0]
    assert last(folder)["cost_usd"] == 1.0
    assert read_ledger(folder).standings.spent == Decimal(1)


async def test_one_that_is_gone_by_its_own_word_holds_up_no_other(folder: Path) -> None:
    shelf = Shelf((None,), (410,))
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(n=2, size="8x8")) is State.SUCCEEDED
    assert last(folder)["warnings"] == ["lost_url", "fewer_images"]
    assert indexes(folder) == [0]


@pytest.mark.parametrize("status", [404, 410, 500])
async def test_what_was_asked_for_is_kept_though_more_was_promised(
    folder: Path, status: int
) -> None:
    shelf = Shelf((None,), (status,))
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.SUCCEEDED
    assert last(folder)["warnings"] == ["lost_url"]
    assert files(folder) == ["fox.png"]


@pytest.mark.parametrize("status", [404, 410, 500])
async def test_a_cut_image_beside_a_url_that_fails_buys_nothing(
    folder: Path, status: int
) -> None:
    shelf = Shelf((status,))
    shelf.entries.insert(0, {"b64_json": CUT})
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.FAILED
    assert (shelf.posts, error_of(folder)["class"]) == (1, "download")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/files/0.png", "/files/0.png"),
        ("//{host}/0", "/0"),
        ("{host}/0.png", "/0.png"),
        ("files/0.png", "/v1/images/files/0.png"),
        ("../0.png", "/v1/0.png"),
        (" \n http://{host}/0.png \r\n", "/0.png"),
    ],
)
async def test_a_url_without_its_beginning_is_fetched_without_the_key(
    folder: Path, address: str, path: str
) -> None:
    shelf = Shelf((None,))
    async with serving(shelf) as origin:
        host = origin.removeprefix("http://")
        shelf.entries = [{"url": address.format(host=host)}]
        async with desk(folder, f"{origin}/v1") as at:
            assert await at.live(request(size="8x8")) is State.SUCCEEDED
    (reply,) = (line for line in lines(folder) if line["event"] == "reply")
    assert reply["urls"] == [f"{origin}{path}"]
    assert (shelf.posts, shelf.keys) == (1, [None])


async def test_a_url_that_leads_nowhere_is_not_bought_again(folder: Path) -> None:
    shelf = Shelf((None,))
    shelf.entries = [{"url": "//[::1/0.png"}]
    async with serving(shelf) as origin, desk(folder, f"{origin}/v1") as at:
        assert await at.live(request(size="8x8")) is State.FAILED
    assert (shelf.posts, error_of(folder)["class"]) == (1, "download")
    assert not shelf.asked
