"""Keeps images in a local folder.

An image grows under `.partial/` in a file named by its request and attempt, gets its
final name as a second hard link, and loses the first one when the ledger's line that
names it is on the disk: until then it is found again by its partial name. On a file
system without hard links it is renamed, and a crash before its line makes it an orphan.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import deque
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from batcher.images import Defect, Inspector
from batcher.stores.disk import Disk
from batcher.stores.folder import NO_LINKS
from batcher.stores.local_partial import LocalPartial, refused
from batcher.stores.name import (
    PARTIAL_FOLDER,
    final_names,
    partial_name,
    partial_number,
    partial_owner,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class LocalStore:
    """A run directory on this machine; see `Store`.

    Where others keep images, too, only what a store began or recovered itself is ever
    `settled`: of the others' partial images it cannot tell which are still wanted. What
    a process left that died between an image's line and its `forget` stays, a second
    name of the same bytes, until a run that has the folder to itself removes it.

    Args:
        folder: The run directory; it exists.
        link: Gives a file a second name, where the file system can.
        is_shared: Others keep images there, too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        link: Callable[[str, str], None] = os.link,
        is_shared: bool = False,
    ) -> None:
        self._folder = folder
        self._own: set[str] | None = set() if is_shared else None
        self._link = link
        self._partial = folder / PARTIAL_FOLDER
        self._kept: deque[str] = deque()
        self._disk: Disk | None = None

    @property
    def behind(self) -> int:
        """Count the images that were kept since the last sync."""
        return len(self._kept)

    def space(self) -> int | None:
        """Give the bytes that are free, as far as the file system tells."""
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return None
        return usage.free if usage.total else None

    async def begin(self, id_: str, attempt: int, number: int) -> LocalPartial:
        """Start an image; its file is made when the first bytes are flushed."""
        name = partial_name(id_, attempt, number)
        self._attend()
        if self._own is not None:
            self._own.add(name)
        return LocalPartial(f"{self._partial}/{name}", self.link)

    async def recover(self, id_: str, attempt: int) -> dict[int, LocalPartial]:
        """Find what an attempt had written, by number."""
        self._attend()  # not in the thread: several would open the disk at once
        return await asyncio.to_thread(self._recover, id_, attempt)

    def _recover(self, id_: str, attempt: int) -> dict[int, LocalPartial]:
        numbers = {
            number: name
            for name in self._partials()
            if (number := partial_number(name, id_, attempt)) is not None
        }
        partials = {
            number: LocalPartial(f"{self._partial}/{name}", self.link)
            for number, name in sorted(numbers.items())
        }
        for partial in partials.values():
            partial.read_back()
        if self._own is not None:
            self._own.update(numbers.values())
        return partials

    def settled(self, is_settled: Callable[[str], bool]) -> list[str]:
        """List partial files by name whose requests need them no more."""
        own = self._own
        names = tuple(self._partials() if own is None else own)
        return [name for name in names if is_settled(partial_owner(name))]

    def sync(self) -> None:
        """Bring kept images and their folders to the disk."""
        if self._disk is None:
            return  # nothing was begun
        kept = tuple(self._kept)
        parents = map(PurePosixPath, {name.rpartition("/")[0] for name in kept})
        folders = {folder for each in parents for folder in (each, *each.parents)}
        self._disk.sync(
            [f"{self._folder}/{name}" for name in kept],
            [f"{self._folder}/{folder}" for folder in folders],
        )
        for _ in kept:
            self._kept.popleft()

    def forget(self, names: Sequence[str]) -> None:
        """Remove partial files; a kept image has another name."""
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(f"{self._partial}/{name}")  # noqa: PTH108 - see LocalPartial
        if self._own is not None:
            self._own.difference_update(names)

    def close(self) -> None:
        """Remove the folder of partial files when it is empty."""
        if self._disk is not None:
            self._disk.close()
            self._disk = None
        with contextlib.suppress(OSError):
            self._partial.rmdir()

    def link(self, partial: str, output: str, suffix: str) -> str:
        """Give a whole image its final name, or the next free one; blocks."""
        names = final_names(output, suffix)
        try:
            name = next(name for name in names if self._claim(name, partial))
        except OSError as error:
            raise refused(output, error, folder=self._folder) from error
        self._kept.append(name)
        return name

    def _attend(self) -> None:
        """Have the disk's failures told here from now on; on the event loop alone."""
        if self._disk is None:
            self._disk = Disk(str(self._folder))

    def _claim(self, name: str, partial: str) -> bool:
        """Name a whole image; false when another one has that name."""
        final = f"{self._folder}/{name}"
        try:
            self._name(final, partial)
        except FileExistsError:
            taken, own = Path(final), Path(partial)
            return taken.samefile(own) or _replace(taken, own)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            taken = Path(final)
            if taken.exists() and _is_taken(taken):
                return False
            Path(partial).replace(taken)
        return True

    def _name(self, final: str, partial: str) -> None:
        """Link, making the folder only where there is none yet."""
        try:
            self._link(partial, final)
        except FileNotFoundError:
            Path(final).parent.mkdir(parents=True, exist_ok=True)
            self._link(partial, final)

    def _partials(self) -> list[str]:
        try:
            return os.listdir(self._partial)  # noqa: PTH208 - see LocalPartial
        except OSError:
            return []


def _replace(final: Path, partial: Path) -> bool:
    """Put an image where something stands that is none."""
    if _is_taken(final):
        return False
    spare = partial.with_name(f"{partial.name}.link")
    spare.unlink(missing_ok=True)
    os.link(partial, spare)
    spare.replace(final)
    return True


def _is_taken(path: Path) -> bool:
    """Tell whether a path must not be written over: a folder or a whole image."""
    return not path.is_file() or _is_whole(path)


def _is_whole(path: Path) -> bool:
    inspector = Inspector()
    with path.open("rb") as stream:
        while data := stream.read(1 << 20):
            inspector.feed(data)
    return not isinstance(inspector.finish(), Defect)
