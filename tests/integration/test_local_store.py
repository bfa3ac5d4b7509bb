from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import resource
from pathlib import Path

import pytest

from batcher.errors import StoreError
from batcher.images import NotEmbedded, read_provenance
from batcher.stores import PARTIAL_FOLDER, Draft, LocalStore
from tests.integration.store_conformance import (
    ID,
    StoreConformance,
    begun,
    kept,
    png,
)

DOCUMENT = {"id": ID, "name": "fox", "request": {"prompt": "a fox"}}


class LocalPlace:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self) -> LocalStore:
        return LocalStore(self.folder)

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def kept(self) -> set[str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        paths = {path.relative_to(self.folder).as_posix() for path in files}
        return {path for path in paths if not path.startswith(PARTIAL_FOLDER)}

    def put(self, path: str, content: bytes) -> None:
        (self.folder / path).write_bytes(content)


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path)


class TestLocalStore(StoreConformance):
    """A local folder."""


async def test_an_image_has_no_final_name_while_it_grows(place: LocalPlace) -> None:
    partial = await begun(place.store(), png(filler=1_900_000)[:1_800_000])
    assert place.kept() == set()
    sizes = [path.stat().st_size for path in (place.folder / PARTIAL_FOLDER).iterdir()]
    assert sizes[0] >= 1_000_000
    await partial.discard()


async def test_a_folder_in_the_place_of_an_image_is_left_alone(
    place: LocalPlace,
) -> None:
    (place.folder / "fox.png").mkdir()
    assert await kept(place.store(), png(), "fox") == "fox~2.png"


async def test_a_file_in_the_place_of_a_folder_is_an_error(place: LocalPlace) -> None:
    place.put("sub", b"file")
    with pytest.raises(StoreError, match="cannot keep 'sub/fox'"):
        await kept(place.store(), png(), "sub/fox")
    assert len(await place.store().recover(ID, 1)) == 1


async def test_a_crash_while_a_file_was_replaced_does_no_harm(
    place: LocalPlace,
) -> None:
    place.put("fox.png", b"half")
    partial = await begun(place.store(), png())
    await partial.finish()
    (place.folder / PARTIAL_FOLDER / f"{ID}.1.0.link").write_bytes(b"")
    assert await partial.keep("fox") == "fox.png"
    assert place.read("fox.png") == png()


async def test_an_image_removed_before_the_sync_is_no_error(place: LocalPlace) -> None:
    store = place.store()
    await kept(store, png(), "sub/fox")
    await kept(store, png(), "heron", number=1)
    (place.folder / "sub" / "fox.png").unlink()
    (place.folder / "sub").rmdir()
    store.sync()


async def test_the_folder_of_partial_images_goes_when_it_is_empty(
    place: LocalPlace,
) -> None:
    store = place.store()
    store.close()
    partial = await begun(store, png())
    await partial.finish()
    store.close()
    assert (place.folder / PARTIAL_FOLDER).is_dir()
    await partial.discard()
    store.close()
    assert not (place.folder / PARTIAL_FOLDER).exists()


async def test_strangers_among_the_partial_files_are_not_taken_for_images(
    place: LocalPlace,
) -> None:
    (place.folder / PARTIAL_FOLDER).mkdir()
    for name in ("notes.txt", f"{ID}.1.x", f"{ID}.1.0.link", f"{ID}.10.0"):
        (place.folder / PARTIAL_FOLDER / name).write_bytes(png())
    assert await place.store().recover(ID, 1) == {}


async def test_many_that_are_taken_up_at_once_open_one_disk(place: LocalPlace) -> None:
    before = descriptors()
    store = place.store()
    await asyncio.gather(*(store.recover(ID, 1) for _ in range(64)))
    assert descriptors() - before <= 1
    store.close()
    assert descriptors() == before


async def test_where_others_keep_images_theirs_stay_until_one_is_alone(
    place: LocalPlace,
) -> None:
    dead = LocalStore(place.folder, is_shared=True)
    await begun(dead, png(filler=1_900_000)[:1_800_000])
    heir = LocalStore(place.folder, is_shared=True)
    assert heir.settled(lambda _: True) == []
    await heir.recover(ID, 1)
    assert len(heir.settled(lambda _: True)) == 1
    assert len(place.store().settled(lambda _: True)) == 1


async def test_a_sync_of_nothing_opens_nothing(place: LocalPlace) -> None:
    before = descriptors()
    place.store().sync()
    assert descriptors() == before


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_file_that_may_grow_no_more_is_an_error(place: LocalPlace) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    partial = await begun(place.store(), png())
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError, match=os.strerror(errno.EFBIG)):
            await partial.write(bytes(1_300_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await partial.discard()
    assert await place.store().recover(ID, 1) == {}


def refuse(source: str, target: str) -> None:
    """Be a file system without hard links."""
    del source, target
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


async def test_without_hard_links_an_image_is_renamed(place: LocalPlace) -> None:
    store = LocalStore(place.folder, link=refuse)
    place.put("heron.png", b"half")
    assert await kept(store, png(), "fox") == "fox.png"
    assert await kept(store, png(filler=2), "fox", number=1) == "fox~2.png"
    assert await kept(store, png(), "heron", number=2) == "heron.png"
    assert await store.recover(ID, 1) == {}
    store.sync()


async def test_a_refused_sync_is_an_error(place: LocalPlace) -> None:
    store = place.store()
    await kept(store, png(), "sub/fox")
    (place.folder / "sub").rename(place.folder / "sup")
    place.put("sub", b"file")
    with pytest.raises(StoreError, match="cannot sync"):
        store.sync()


async def test_a_folder_that_refuses_files_is_an_error(place: LocalPlace) -> None:
    place.put(PARTIAL_FOLDER, b"file")
    partial = await begun(place.store(), png())
    with pytest.raises(StoreError, match=f"cannot keep '{ID}"):
        await partial.finish()


async def test_an_image_that_is_told_whence_it_came_is_another_file(
    place: LocalPlace,
) -> None:
    partial = await begun(place.store(), png())
    before = await partial.finish()
    told = await partial.embed(DOCUMENT)
    assert isinstance(told, Draft)
    assert told != before
    path = await partial.keep("fox")
    content = place.read(path)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (
        told.bytes,
        told.sha256,
    )
    assert read_provenance([content]) == DOCUMENT
    assert await partial.finish() == told


async def test_an_image_with_a_name_is_told_nothing_more(place: LocalPlace) -> None:
    store = place.store()
    await kept(store, png(), "fox")
    (again,) = (await store.recover(ID, 1)).values()
    assert await again.embed(DOCUMENT) == await again.finish()
    assert place.read("fox.png") == png()


async def test_who_gave_up_waiting_finds_the_image_as_it_was(place: LocalPlace) -> None:
    content = png(filler=900_000)
    partial = await begun(place.store(), content)
    waiting = asyncio.ensure_future(partial.finish())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    draft = await partial.finish()
    assert isinstance(draft, Draft)
    path = await partial.keep("fox")
    assert place.read(path) == content
    assert draft.sha256 == hashlib.sha256(content).hexdigest()


async def test_what_is_no_image_is_told_nothing(place: LocalPlace) -> None:
    partial = await begun(place.store(), png()[:-8])
    assert isinstance(await partial.embed(DOCUMENT), NotEmbedded)


async def test_a_crash_while_a_file_is_told_leaves_the_image(place: LocalPlace) -> None:
    store = place.store()
    await (await begun(store, png())).finish()
    place.put(f"{PARTIAL_FOLDER}/{ID}.1.0.changed", b"half")
    (found,) = (await store.recover(ID, 1)).values()
    assert isinstance(await found.finish(), Draft)
    assert f"{ID}.1.0.changed" in store.settled(lambda _: True)
