from __future__ import annotations

import asyncio
import gc
import hashlib
import zlib

import obstore
import pytest

from batcher.errors import StoreError
from batcher.images import NotEmbedded, read_provenance
from batcher.stores import PARTIAL_FOLDER, Draft
from batcher.stores.cloud import CloudDirectory
from batcher.stores.cloud_partial import PART
from batcher.stores.cloud_store import CloudStore
from tests.integration.object_server import OddServer, asked
from tests.integration.store_conformance import (
    ID,
    StoreConformance,
    begun,
    kept,
    png,
)

LARGE = 3 * PART - 100_000


class CloudPlace:
    """A prefix of a bucket."""

    def __init__(self, origin: str, bucket: str) -> None:
        self.origin = origin
        self.bucket = bucket
        self.directory = CloudDirectory(f"s3://{bucket}/run")

    def store(self) -> CloudStore:
        return CloudStore(self.directory)

    def read(self, path: str) -> bytes:
        content = self.directory.read(path)
        assert content is not None
        return content

    def kept(self) -> set[str]:
        paths = {entry.name for entry in self.directory.entries()}
        return {path for path in paths if not path.startswith(PARTIAL_FOLDER)}

    def put(self, path: str, content: bytes) -> None:
        self.directory.write(path, content)

    def partials(self) -> list[str]:
        """List what is there of images that have no name yet."""
        entries = self.directory.entries(PARTIAL_FOLDER)
        return [entry.name for entry in entries]

    def content_type(self, path: str) -> str | None:
        """Give an image's type, as a browser is told."""
        found = obstore.get(self.directory.small, path, options={"head": True})
        return found.attributes.get("Content-Type")

    def is_growing(self) -> bool:
        """Tell whether an upload in parts is neither ended nor aborted."""
        listed = asked("GET", f"{self.origin}/{self.bucket}?uploads")
        return "<UploadId>" in listed


@pytest.fixture
def place(s3: str, bucket: str) -> CloudPlace:
    return CloudPlace(s3, bucket)


class TestCloudStore(StoreConformance):
    """A prefix of a bucket of an S3 server."""


async def test_a_large_image_goes_up_in_parts(place: CloudPlace) -> None:
    content = png(filler=LARGE)
    partial = await begun(place.store(), content[: 2 * PART], pieces=100_000)
    assert place.is_growing()
    assert place.partials() == []
    for at in range(2 * PART, len(content), 100_000):
        await partial.write(content[at : at + 100_000])
    draft = await partial.finish()
    assert isinstance(draft, Draft)
    assert draft.bytes == len(content)
    assert not place.is_growing()
    assert await partial.keep("fox") == await partial.keep("fox") == "fox.png"
    assert place.read("fox.png") == content


@pytest.mark.parametrize("size", [100, PART - 1, PART, PART + 1, 2 * PART])
async def test_an_image_is_whole_whatever_its_size(
    place: CloudPlace, size: int
) -> None:
    content = png(filler=size - len(png()))
    assert len(content) == size
    assert await kept(place.store(), content, "fox") == "fox.png"
    assert place.read("fox.png") == content


async def test_an_upload_that_is_discarded_is_aborted(place: CloudPlace) -> None:
    partial = await begun(place.store(), png(filler=LARGE), pieces=100_000)
    assert place.is_growing()
    await partial.discard()
    await partial.discard()
    assert not place.is_growing()
    assert place.partials() == []


@pytest.mark.parametrize("at", range(6))
async def test_an_upload_that_is_cancelled_can_be_aborted(
    place: CloudPlace, at: int
) -> None:
    """Cancelled in the first part, between parts, and while the last one ends."""
    partial = await place.store().begin(ID, 1, 0)
    content = png(filler=LARGE)
    reached = asyncio.Event()

    async def write() -> None:
        for number, start in enumerate(range(0, len(content), PART)):
            if number == at:
                reached.set()
            await partial.write(content[start : start + PART])
        reached.set()
        await partial.finish()

    writing = asyncio.create_task(write())
    await reached.wait()
    for _ in range(at):
        await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await partial.discard()
    assert not place.is_growing()
    assert place.partials() == []


@pytest.mark.parametrize("filler", [10, LARGE])
async def test_an_end_that_was_cancelled_is_an_end(
    place: CloudPlace, filler: int
) -> None:
    content = png(filler=filler)
    partial = await begun(place.store(), content, pieces=100_000)
    finishing = asyncio.create_task(partial.finish())
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert isinstance(await partial.finish(), Draft)
    assert await partial.keep("fox") == "fox.png"
    assert place.read("fox.png") == content


async def test_what_was_left_by_a_dead_process_in_the_middle_is_not_found(
    place: CloudPlace,
) -> None:
    await begun(place.store(), png(filler=LARGE), pieces=100_000)
    gc.collect()
    assert await place.store().recover(ID, 1) == {}


async def test_the_same_bytes_of_another_request_are_another_image(
    place: CloudPlace,
) -> None:
    store = place.store()
    assert await kept(store, png(), "fox", number=0) == "fox.png"
    assert await kept(store, png(), "fox", number=1) == "fox~2.png"


async def test_the_type_of_an_image_is_told(place: CloudPlace) -> None:
    store = place.store()
    await kept(store, png(), "fox")
    await kept(store, png(filler=LARGE), "heron", number=1)
    await (await begun(store, b"<html>", number=2)).finish()
    types = [
        place.content_type(path)
        for path in ("fox.png", "heron.png", f"{PARTIAL_FOLDER}/{ID}.1.2")
    ]
    assert types == ["image/png", "image/png", "application/octet-stream"]


async def test_of_other_workers_images_nothing_is_settled(place: CloudPlace) -> None:
    await kept(place.store(), png(), "fox")
    other = place.store()
    assert other.settled(lambda _: True) == []
    assert len(await other.recover(ID, 1)) == 1
    assert len(other.settled(lambda _: True)) == 1


async def test_a_partial_image_that_went_while_it_was_found_is_none(
    place: CloudPlace,
) -> None:
    store = place.store()
    assert await store._read_back(f"{ID}.1.0") is None


async def test_what_cannot_be_removed_is_settled_again(
    odd: OddServer, credentials: pytest.MonkeyPatch
) -> None:
    del odd
    store = CloudStore(CloudDirectory("s3://kind/run", patience=0.1))
    await begun(store, png())
    credentials.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    gone = CloudStore(CloudDirectory("s3://kind/run", patience=0.1))
    await begun(gone, png())
    names = gone.settled(lambda _: True)
    gone.forget(names)
    assert gone.settled(lambda _: True) == names == [f"{ID}.1.0"]


async def test_an_image_that_arrives_cut_is_an_error(odd: OddServer) -> None:
    del odd
    store = CloudStore(CloudDirectory("s3://short/run"))
    partial = await begun(store, png())
    with pytest.raises(
        StoreError, match=r"bytes were sent, \d+ are there; run it again"
    ):
        await partial.finish()


@pytest.mark.parametrize("filler", [10, LARGE])
async def test_a_store_that_refuses_an_image_is_quoted(
    odd: OddServer, filler: int
) -> None:
    del odd
    store = CloudStore(CloudDirectory("s3://denied/run"))
    with pytest.raises(StoreError, match="cannot write 's3://denied/run/"):
        await kept(store, png(filler=filler), "fox")


DOCUMENT = {"software": "batcher 1", "request": {"prompt": "a fox"}}


@pytest.mark.parametrize("filler", [10, LARGE])
async def test_whence_an_image_came_is_put_into_it(
    place: CloudPlace, filler: int
) -> None:
    partial = await begun(place.store(), png(filler=filler), pieces=100_000)
    made = await partial.embed(DOCUMENT)
    assert isinstance(made, Draft)
    assert await partial.finish() == made
    content = place.read(await partial.keep("fox"))
    assert hashlib.sha256(content).hexdigest() == made.sha256
    assert read_provenance([content]) == DOCUMENT
    assert not place.is_growing()
    assert place.content_type("fox.png") == "image/png"


async def test_a_kept_image_is_left_as_it_is(place: CloudPlace) -> None:
    partial = await begun(place.store(), png())
    path = await partial.keep("fox")
    assert await partial.embed(DOCUMENT) == await partial.finish()
    assert place.read(path) == png()


async def test_what_is_embedded_after_a_crash_is_in_the_image_that_was_kept(
    place: CloudPlace,
) -> None:
    assert await kept(place.store(), png(), "fox") == "fox.png"
    (found,) = (await place.store().recover(ID, 1)).values()
    made = await found.embed(DOCUMENT)
    assert isinstance(made, Draft)
    assert await found.keep("fox") == "fox.png"
    assert place.kept() == {"fox.png"}
    assert hashlib.sha256(place.read("fox.png")).hexdigest() == made.sha256


async def test_what_cannot_be_embedded_leaves_an_image_as_it_was(
    place: CloudPlace,
) -> None:
    partial = await begun(place.store(), png()[:50])
    assert isinstance(await partial.embed(DOCUMENT), NotEmbedded)
    signed = png()[:33] + chunk(b"caBX", b"signed") + png()[33:]
    partial = await begun(place.store(), signed)
    assert isinstance(await partial.embed(DOCUMENT), NotEmbedded)
    assert place.read(await partial.keep("fox")) == signed


async def test_an_image_that_went_before_it_is_changed_is_an_error(
    place: CloudPlace,
) -> None:
    await (await begun(place.store(), png())).finish()
    (found,) = (await place.store().recover(ID, 1)).values()
    place.directory.remove(place.partials())
    with pytest.raises(StoreError, match="removed meanwhile"):
        await found.embed(DOCUMENT)


def chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + crc
