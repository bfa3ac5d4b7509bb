"""Keeps images under a prefix of an object store.

An image streams up to `.partial/`, named by its request and attempt. Its final name is
a copy that the store makes itself. The partial one goes when the ledger's line that
names the image is safe: until then it is found again. No byte touches a disk here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import obstore

from batcher.errors import StoreError
from batcher.stores.cloud import MARK, new_mark
from batcher.stores.cloud_error import FOREIGN, is_absent, refusal, refusals
from batcher.stores.cloud_partial import CloudPartial, ended
from batcher.stores.gauge import Gauge
from batcher.stores.name import (
    PARTIAL_FOLDER,
    final_names,
    partial_name,
    partial_number,
    partial_owner,
)
from batcher.stores.store import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batcher.stores.cloud import CloudDirectory

_PIECE = 1 << 20  # bytes read and examined at once


class CloudStore:
    """The images of a run directory in an object store; see `Store`.

    Workers may share a directory. Only what a store began or recovered itself is ever
    `settled`: of the others' partial images it cannot tell which are still wanted. What
    a process left that died between an image's line and its `forget` stays, a second
    copy that no ledger names, until a lifecycle rule for `.partial/` removes it.

    To see that a name is free and to copy are two requests: tasks of one process may
    ask for one name at once, two workers must not.

    Args:
        directory: The run directory.
    """

    def __init__(self, directory: CloudDirectory) -> None:
        self.directory = directory
        self._client = directory.large
        self._own: set[str] = set()
        self._claimed: set[str] = set()

    @property
    def behind(self) -> int:
        """Count nothing: what is kept is in the object store."""
        return 0

    def space(self) -> None:
        """Not know: an object store is never full."""

    async def begin(self, id_: str, attempt: int, number: int) -> CloudPartial:
        """Start an image; nothing is sent before a part is full, or it is finished."""
        name = partial_name(id_, attempt, number)
        self._own.add(name)
        return CloudPartial(self, _path(name), new_mark())

    async def recover(self, id_: str, attempt: int) -> dict[int, CloudPartial]:
        """Find what an attempt had written, by number."""
        found: dict[int, str] = {}
        for name in await asyncio.to_thread(self._list):
            number = partial_number(name, id_, attempt)
            if number is not None:
                found[number] = name
        partials = {n: await self._read_back(name) for n, name in sorted(found.items())}
        return {n: partial for n, partial in partials.items() if partial is not None}

    def settled(self, is_settled: Callable[[str], bool]) -> list[str]:
        """List partial images by name whose requests need them no more."""
        return [name for name in tuple(self._own) if is_settled(partial_owner(name))]

    def sync(self) -> None:
        """Do nothing: what an object store has taken is safe."""

    def forget(self, names: Iterable[str]) -> None:
        """Remove partial images; those that cannot be removed are listed again."""
        doomed = list(names)
        with suppress(StoreError):
            self.directory.remove(map(_path, doomed))
            self._own.difference_update(doomed)

    def close(self) -> None:
        """Do nothing: an empty prefix is none."""

    async def keep(self, path: str, mark: str, output: str, suffix: str) -> str:
        """Give a whole partial image its final name, or the next free one."""
        for final in final_names(output, suffix):
            if final in self._claimed:
                continue  # another image is just getting it
            self._claimed.add(final)
            try:
                if await self._claim(final, path, mark):
                    return final
            finally:
                self._claimed.discard(final)
        raise AssertionError("the names have no end")

    async def remove(self, path: str) -> None:
        """Remove a partial image, as far as it is there; never raises."""
        await asyncio.to_thread(self.forget, [path.rpartition("/")[2]])

    async def _claim(self, final: str, path: str, mark: str) -> bool:
        """Name a partial image `final`; false when a whole image has that name.

        A copy takes the mark along. So an image that was named before, by this process
        or by a dead one, is told from another one, even of the same bytes. It is copied
        again: since then, something may have been embedded in it.
        """
        with refusals("keep", self.directory.place(final)):
            found = await self._mark(final)
            is_others = found not in {None, mark}
            if is_others and await self._is_whole(final):
                return False
            await ended(obstore.copy_async(self._client, path, final))
        return True

    async def _mark(self, path: str) -> str | None:
        """Give a file's mark, "" when it has none; None when there is no file."""
        try:
            found = await obstore.get_async(self._client, path, options={"head": True})
        except FileNotFoundError:
            return None
        return found.attributes.get(MARK, "")

    async def _is_whole(self, path: str) -> bool:
        gauge, _ = await self._measured(path)
        return isinstance(gauge.finish(), Draft)

    async def _read_back(self, name: str) -> CloudPartial | None:
        """Take in what a process that died had written; None when it went meanwhile."""
        path = _path(name)
        try:
            gauge, mark = await self._measured(path)
        except FOREIGN as error:
            if is_absent(error):
                return None
            raise refusal("read", self.directory.place(path), error) from error
        self._own.add(name)
        return CloudPartial(self, path, mark, gauge)

    async def _measured(self, path: str) -> tuple[Gauge, str]:
        """Read an image through; give its measures and its mark."""
        gauge = Gauge()
        found = await obstore.get_async(self._client, path)
        async for piece in found.stream(_PIECE):
            gauge.feed(memoryview(piece))
        return gauge, found.attributes.get(MARK) or new_mark()

    def _list(self) -> list[str]:
        entries = self.directory.entries(f"{PARTIAL_FOLDER}/")
        return [entry.name.rpartition("/")[2] for entry in entries]


def _path(name: str) -> str:
    return f"{PARTIAL_FOLDER}/{name}"
