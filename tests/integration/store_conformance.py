"""What every store must do, as a suite: subclass it and give the store a fixture.

A store's test module says `class TestLocalStore(StoreConformance)` and defines the
fixture `place`, which gives a `Place`.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import zlib
from typing import Protocol

import pytest

from batcher.errors import StoreError
from batcher.images import Defect
from batcher.stores import Draft, Partial, Store

ID, OTHER = "a" * 20, "b" * 20


class Place(Protocol):
    """Where the images of a store end up, seen from outside."""

    def store(self) -> Store:
        """Open the store anew, as another process does."""

    def read(self, path: str) -> bytes:
        """Read a kept image."""

    def kept(self) -> set[str]:
        """List the paths of all kept images."""

    def put(self, path: str, content: bytes) -> None:
        """Put a foreign file among the images."""


def png(*, width: int = 8, height: int = 8, filler: int = 0) -> bytes:
    """Make a whole PNG, `filler` bytes larger than it need be."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    parts = [
        (b"IHDR", header),
        (b"IDAT", rows),
        (b"tEXt", bytes(filler)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


async def begun(
    store: Store, content: bytes, *, number: int = 0, pieces: int = 1000
) -> Partial:
    """Write an image in pieces, not yet finished."""
    partial = await store.begin(ID, 1, number)
    for at in range(0, len(content), pieces):
        await partial.write(content[at : at + pieces])
    return partial


async def kept(store: Store, content: bytes, output: str, *, number: int = 0) -> str:
    """Write, finish and keep an image."""
    partial = await begun(store, content, number=number)
    assert isinstance(await partial.finish(), Draft)
    return await partial.keep(output)


class StoreConformance:
    """The contract of `Store` and `Partial`, claim by claim."""

    def test_what_is_free_is_told_or_nobody_knows(self, place: Place) -> None:
        space = place.store().space()
        assert space is None or space > 0

    async def test_a_kept_image_is_whole_under_its_name(self, place: Place) -> None:
        content = png(filler=700_000)
        partial = await begun(place.store(), content)
        draft = await partial.finish()
        assert isinstance(draft, Draft)
        assert (draft.properties.width, draft.bytes) == (8, len(content))
        assert draft.sha256 == hashlib.sha256(content).hexdigest()
        assert place.kept() == set()
        assert await partial.keep("sub/folder/fox") == "sub/folder/fox.png"
        assert place.read("sub/folder/fox.png") == content

    async def test_to_finish_twice_says_the_same(self, place: Place) -> None:
        partial = await begun(place.store(), png())
        assert await partial.finish() == await partial.finish()

    @pytest.mark.parametrize(
        "content", [b"", b"<html>", png()[:40], png(filler=600_000)[:500_000]]
    )
    async def test_what_is_no_whole_image_gets_no_name(
        self, place: Place, content: bytes
    ) -> None:
        partial = await begun(place.store(), content)
        assert isinstance(await partial.finish(), Defect)
        with pytest.raises(StoreError, match="will not keep"):
            await partial.keep("fox")
        assert place.kept() == set()

    async def test_to_keep_twice_gives_the_same_name(self, place: Place) -> None:
        partial = await begun(place.store(), png())
        assert await partial.keep("fox") == await partial.keep("fox") == "fox.png"
        assert place.kept() == {"fox.png"}

    async def test_a_whole_image_is_never_written_over(self, place: Place) -> None:
        store = place.store()
        first, second, third = (png(filler=size) for size in (1, 2, 3))
        assert await kept(store, first, "fox", number=0) == "fox.png"
        assert await kept(store, second, "fox", number=1) == "fox~2.png"
        assert await kept(store, third, "fox", number=2) == "fox~3.png"
        assert place.read("fox.png") == first
        assert place.read("fox~2.png") == second

    async def test_many_may_ask_for_one_name_at_once(self, place: Place) -> None:
        store = place.store()
        contents = [png(filler=size) for size in range(1, 9)]
        partials = [
            await begun(store, content, number=number)
            for number, content in enumerate(contents)
        ]
        paths = await asyncio.gather(*(each.keep("fox") for each in partials))
        assert len(set(paths)) == len(contents)
        assert [place.read(path) for path in paths] == contents

    @pytest.mark.parametrize("found", [b"", b"half", png()[:50]])
    async def test_what_is_no_image_makes_way(self, place: Place, found: bytes) -> None:
        place.put("fox.png", found)
        assert await kept(place.store(), png(), "fox") == "fox.png"
        assert place.read("fox.png") == png()

    async def test_a_discarded_image_is_not_found_again(self, place: Place) -> None:
        store = place.store()
        for _ in range(2):
            partial = await begun(store, png(filler=300_000))
            await partial.discard()
            await partial.discard()
        assert await place.store().recover(ID, 1) == {}

    async def test_to_discard_a_kept_image_leaves_it(self, place: Place) -> None:
        partial = await begun(place.store(), png())
        await partial.keep("fox")
        await partial.discard()
        assert place.read("fox.png") == png()

    async def test_after_a_crash_partial_images_are_found_by_number(
        self, place: Place
    ) -> None:
        contents = {2: png(filler=10), 11: png(filler=11), 0: png()[:60]}
        store = place.store()
        for number, content in contents.items():
            await (await begun(store, content, number=number)).finish()
        found = await place.store().recover(ID, 1)
        drafts = [await partial.finish() for partial in found.values()]
        assert list(found) == [0, 2, 11]
        assert [isinstance(draft, Draft) for draft in drafts] == [False, True, True]
        assert await found[2].keep("fox") == "fox.png"
        assert place.read("fox.png") == contents[2]
        assert await place.store().recover(ID, 2) == {}
        assert await place.store().recover(OTHER, 1) == {}

    async def test_after_a_crash_a_kept_image_gets_the_name_it_had(
        self, place: Place
    ) -> None:
        assert await kept(place.store(), png(), "fox") == "fox.png"
        found = await place.store().recover(ID, 1)
        assert [await partial.keep("fox") for partial in found.values()] == ["fox.png"]
        assert place.kept() == {"fox.png"}

    async def test_to_begin_again_leaves_a_kept_image_alone(self, place: Place) -> None:
        await kept(place.store(), png(filler=5), "fox")
        again = await begun(place.store(), png(filler=400_000)[:300_000])
        await again.finish()
        assert place.read("fox.png") == png(filler=5)

    async def test_only_what_is_settled_is_forgotten(self, place: Place) -> None:
        store = place.store()
        await kept(store, png(), "fox")
        store.sync()
        assert store.settled(lambda _: False) == []
        assert len(await store.recover(ID, 1)) == 1
        store.forget(store.settled(lambda id_: id_ == OTHER))
        assert len(await store.recover(ID, 1)) == 1
        store.forget(store.settled(lambda id_: id_ == ID))
        assert await store.recover(ID, 1) == {}
        assert place.read("fox.png") == png()
        store.close()
