from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from batcher.config import Secret
from batcher.errors import StoreError
from batcher.images import Defect, Document, NotEmbedded
from batcher.models import Failure
from batcher.stores import Draft, LocalStore, Partial
from batcher.transport.exchange import Exchange
from batcher.transport.parser import ReplyLimitError
from batcher.transport.pool import Call
from batcher.transport.redaction import Redaction
from batcher.transport.reply import Reply
from batcher.transport.response import BrokenReplyError
from tests.integration.store_conformance import ID, png

PICTURE = png()
TEXT = base64.b64encode(PICTURE).decode()
WHOLE = json.dumps({"data": [{"b64_json": TEXT}, {"b64_json": TEXT}]})
CUT = WHOLE[:-60] + "…" * 1000
"""Two images, of which the second does not come to its end."""

OPEN = Redaction("https://gateway.example/v1", Secret("none"))
KEY = "sk-0123456789"
CLOSED = Redaction("https://gateway.example/v1", Secret(KEY))


class Wire:
    """A reply of some pieces that come at once; more is waited for in vain.

    Args:
        pieces: They are unpacked one by one.
        fault: What turns out once they are.
    """

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, *pieces: str, fault: Exception | None = None) -> None:
        self._reads = [self._unpacked(pieces, fault)]
        self.is_silent = asyncio.Event()

    async def read(self) -> Iterable[bytes] | None:
        if self._reads:
            return self._reads.pop()
        self.is_silent.set()
        await asyncio.Event().wait()
        raise AssertionError

    def _unpacked(
        self, pieces: Iterable[str], fault: Exception | None
    ) -> Iterable[bytes]:
        for piece in pieces:
            yield piece.encode()
        if fault is not None:
            raise fault


class Slow:
    """A local image that is interrupted in one of its steps, after it was done."""

    def __init__(self, image: Partial, step: str, reached: asyncio.Event) -> None:
        self._image = image
        self._step = step
        self._reached = reached
        self.refuses = False
        self.is_silent = False

    async def write(self, data: bytes) -> None:
        await self._image.write(data)
        await self._pause("write")

    async def finish(self) -> Draft | Defect:
        await self._pause("finish")
        if self.is_silent:
            await asyncio.Event().wait()
        if self.refuses:
            raise StoreError("cannot write: the line is cut")
        return await self._image.finish()

    async def embed(self, document: Document) -> Draft | NotEmbedded:
        return await self._image.embed(document)

    async def keep(self, output: str) -> str:
        return await self._image.keep(output)

    async def discard(self) -> None:
        await self._image.discard()

    async def _pause(self, step: str) -> None:
        if step == self._step and not self._reached.is_set():
            self._reached.set()
            await asyncio.Event().wait()


class Begin:
    """Begins images of which the first one is slow in a step."""

    def __init__(self, folder: Path, step: str, *, is_silent: bool = False) -> None:
        self._store = LocalStore(folder)
        self._step = step
        self._is_silent = is_silent
        self.reached = asyncio.Event()
        self.first: Slow | None = None

    async def __call__(self, number: int) -> Partial:
        image = await self._store.begin(ID, 1, number)
        if number:
            return image
        self.first = Slow(image, self._step, self.reached)
        self.first.is_silent = self._is_silent
        return self.first


async def interrupted(exchange: Exchange, wire: Wire, reached: asyncio.Event) -> None:
    reading = asyncio.create_task(exchange.read(cast("Call", wire)))
    await reached.wait()
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()


async def found(folder: Path) -> list[type]:
    partials = await LocalStore(folder).recover(ID, 1)
    return [type(await each.finish()) for each in partials.values()]


@pytest.mark.parametrize("step", ["write", "finish"])
async def test_an_image_whose_end_had_come_is_found_after_an_abort(
    tmp_path: Path, step: str
) -> None:
    begin = Begin(tmp_path, step)
    exchange = Exchange(begin, OPEN)
    await interrupted(exchange, Wire(CUT), begin.reached)
    await exchange.abandon()
    assert await found(tmp_path) == [Draft]


@pytest.mark.parametrize("step", ["write", "finish"])
async def test_all_images_whose_ends_had_come_are_found_after_an_abort(
    tmp_path: Path, step: str
) -> None:
    begin = Begin(tmp_path, step)
    exchange = Exchange(begin, OPEN)
    await interrupted(exchange, Wire(WHOLE), begin.reached)
    await exchange.abandon()
    assert await found(tmp_path) == [Draft, Draft]


@pytest.mark.parametrize("step", ["write", "finish"])
async def test_images_whose_pieces_had_come_with_the_interrupted_one_are_found(
    tmp_path: Path, step: str
) -> None:
    begin = Begin(tmp_path, step)
    exchange = Exchange(begin, OPEN)
    cuts = (0, len(TEXT) // 2, len(WHOLE) // 2, len(WHOLE) - 9, len(WHOLE))
    wire = Wire(*(WHOLE[start:end] for start, end in pairwise(cuts)))
    await interrupted(exchange, wire, begin.reached)
    await exchange.abandon()
    assert await found(tmp_path) == [Draft, Draft]


@pytest.mark.parametrize(
    "fault",
    [ReplyLimitError("the reply is too large"), BrokenReplyError("it is not packed")],
    ids=["limit", "coding"],
)
async def test_a_fault_of_what_had_come_does_not_hide_the_interruption(
    tmp_path: Path, fault: Exception
) -> None:
    begin = Begin(tmp_path, "write")
    exchange = Exchange(begin, OPEN)
    await interrupted(exchange, Wire(WHOLE, fault=fault), begin.reached)
    await exchange.abandon()
    assert await found(tmp_path) == [Draft, Draft]


@pytest.mark.parametrize("step", ["write", "finish"])
async def test_a_silent_store_does_not_hold_up_an_abort(
    tmp_path: Path, step: str
) -> None:
    begin = Begin(tmp_path, step, is_silent=True)
    exchange = Exchange(begin, OPEN, grace=0)
    await interrupted(exchange, Wire(CUT), begin.reached)
    await exchange.abandon()
    assert begin.first is not None
    begin.first.is_silent = False
    await begin.first.finish()
    assert await found(tmp_path) == [Draft]


async def test_a_time_limit_takes_nothing_from_what_has_come(tmp_path: Path) -> None:
    begin = Begin(tmp_path, "write")
    exchange = Exchange(begin, OPEN)
    await interrupted(exchange, Wire(WHOLE), begin.reached)
    reply = exchange.outcome()
    assert isinstance(reply, Reply)
    drafts = [
        await exchange.partials[image.number].finish()
        for image in reply.usable
        if image.number is not None
    ]
    assert [type(draft) for draft in drafts] == [Draft, Draft]


async def test_an_image_that_the_store_could_not_check_is_left_to_be_found(
    tmp_path: Path,
) -> None:
    begin = Begin(tmp_path, "finish")
    exchange = Exchange(begin, OPEN)
    await interrupted(exchange, Wire(CUT), begin.reached)
    assert begin.first is not None
    await begin.first._image.finish()
    begin.first.refuses = True
    await exchange.abandon()
    assert await found(tmp_path) == [Draft]


async def test_what_ended_and_is_no_image_is_forgotten(tmp_path: Path) -> None:
    begin = Begin(tmp_path, "finish")
    exchange = Exchange(begin, OPEN)
    text = base64.b64encode(PICTURE[:-8]).decode()
    wire = Wire(json.dumps({"data": [{"b64_json": text}]}))
    await interrupted(exchange, wire, begin.reached)
    await exchange.abandon()
    assert await found(tmp_path) == []


async def test_an_image_with_a_defect_in_its_text_is_forgotten(tmp_path: Path) -> None:
    exchange = Exchange(Begin(tmp_path, "none"), OPEN)
    head, tail = WHOLE.split(TEXT, maxsplit=1)
    wire = Wire(head + TEXT, f"!{tail}")
    await interrupted(exchange, wire, wire.is_silent)
    await exchange.abandon()
    assert await found(tmp_path) == [Draft]


class Refusal:
    """An error that the gateway spells out, with the key in all of it."""

    status = 308

    def __init__(self, place: int) -> None:
        lead = "x" * place + KEY
        self.headers = {"x-request-id": lead, "location": f"https://a.example/{lead}"}
        error = {"message": lead, "code": lead, "type": lead, "param": lead}
        self._pieces = [json.dumps({"error": error}).encode()]

    async def read(self) -> Iterable[bytes] | None:
        return [self._pieces.pop()] if self._pieces else None


@pytest.mark.parametrize("status", [308, 400, 401])
@pytest.mark.parametrize("place", [1, 70, 75, 450, 490, 495, 600])
async def test_no_part_of_the_key_is_left_where_words_are_cut(
    tmp_path: Path, place: int, status: int
) -> None:
    refusal = Refusal(place)
    refusal.status = status
    exchange = Exchange(Begin(tmp_path, "none"), CLOSED)
    await exchange.read(cast("Call", refusal))
    failure = exchange.outcome()
    assert isinstance(failure, Failure)
    assert failure.request_id
    assert "sk-" not in repr(failure)


async def test_no_field_is_refused_that_is_named_like_the_key(tmp_path: Path) -> None:
    refusal = Refusal(0)
    refusal._pieces = [f"Unknown parameter: 'a_{KEY}'".encode()]
    exchange = Exchange(Begin(tmp_path, "none"), CLOSED)
    await exchange.read(cast("Call", refusal))
    failure = exchange.outcome()
    assert isinstance(failure, Failure)
    assert "sk-" not in repr(failure)
