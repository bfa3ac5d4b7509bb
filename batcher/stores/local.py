"""Keeps images in a local folder.

An image grows under `.partial/` in a file named by its request and attempt, gets its
final name as a second hard link, and loses the first one when it is safely on the disk:
at every instant it is either known by its final name or found again by its partial one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
from typing import TYPE_CHECKING

import aiofiles

from batcher.errors import StoreError
from batcher.images import SUFFIX, Defect, Inspector
from batcher.stores.store import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aiofiles.threadpool.binary import AsyncFileIO

PARTIAL_FOLDER = ".partial"

_FLUSH = 256 << 10  # bytes: fewer, larger writes; what each image in flight may hold
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStore:
    """A run directory on this machine; see `Store`.

    Args:
        folder: The run directory; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial = folder / PARTIAL_FOLDER
        self._kept: list[tuple[Path, Path]] = []

    async def begin(self, id_: str, attempt: int, number: int) -> LocalPartial:
        """Start an image; its file is made when the first bytes are written."""
        return LocalPartial(self, self._partial / f"{id_}.{attempt}.{number}")

    async def recover(self, id_: str, attempt: int) -> list[LocalPartial]:
        """Find what an attempt had written, by number."""
        return await asyncio.to_thread(self._recover, f"{id_}.{attempt}.")

    def _recover(self, prefix: str) -> list[LocalPartial]:
        found = sorted(
            (int(path.name.rpartition(".")[2]), path)
            for path in self._partials()
            if path.name.startswith(prefix) and path.name[len(prefix) :].isdigit()
        )
        partials = [LocalPartial(self, path) for _, path in found]
        for partial in partials:
            partial.read_back()
        return partials

    def sync(self) -> None:
        """Bring kept images and their folders to the disk."""
        kept, self._kept = self._kept, []
        try:
            for final, _ in kept:
                _fsync(final)
            for folder in {final.parent for final, _ in kept}:
                _fsync(folder)
        except OSError as error:
            raise StoreError(f"cannot sync images: {error.strerror}") from error
        for _, partial in kept:
            partial.unlink(missing_ok=True)

    def clean(self, is_wanted: Callable[[str], bool]) -> None:
        """Sync, and remove partial files that no attempt can want any more.

        Args:
            is_wanted: Tells by a request's id whether to leave its files.
        """
        self.sync()
        for path in self._partials():
            if not is_wanted(path.name.partition(".")[0]):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._partial.rmdir()

    def link(self, partial: Path, output: str, suffix: str) -> str:
        """Give a whole image its final name; blocks."""
        try:
            final = self._free(partial, output, suffix)
            final.parent.mkdir(parents=True, exist_ok=True)
            _link(partial, final)
        except OSError as error:
            raise _refused(output, error) from error
        self._kept.append((final, partial))
        return final.relative_to(self._folder).as_posix()

    def _free(self, partial: Path, output: str, suffix: str) -> Path:
        """Find a path that holds no other whole image."""
        number = 1
        while True:
            tail = f"~{number}" if number > 1 else ""
            final = self._folder / f"{output}{tail}{suffix}"
            if not final.exists() or final.samefile(partial) or not _is_whole(final):
                return final
            number += 1

    def _partials(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            yield from self._partial.iterdir()


class LocalPartial:
    """An image growing in a local file; see `Partial`."""

    def __init__(self, store: LocalStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._file: AsyncFileIO | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._size = 0
        self._hash = hashlib.sha256()
        self._inspector = Inspector()
        self._draft: Draft | Defect | None = None

    async def write(self, data: bytes) -> None:
        """Append bytes; they reach the file in large pieces."""
        self._take(data)
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _FLUSH:
            await self._flush()

    async def finish(self) -> Draft | Defect:
        """Close the file, and say what the bytes were."""
        if self._draft is None:
            await self._flush()
            if self._file is not None:
                await self._file.close()
                self._file = None
            self._draft = self._judge()
        return self._draft

    async def keep(self, output: str) -> str:
        """Give the whole image its name."""
        draft = await self.finish()
        if isinstance(draft, Defect):
            raise StoreError(f"will not keep {output!r}: {draft.message}")
        suffix = SUFFIX[draft.properties.format]
        return await asyncio.to_thread(self._store.link, self._path, output, suffix)

    async def discard(self) -> None:
        """Close and remove the partial file."""
        self._pending.clear()
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                await file.close()
            self._path.unlink(missing_ok=True)

    def read_back(self) -> None:
        """Take in what a process that died had written; blocks."""
        with contextlib.suppress(OSError), self._path.open("rb") as stream:
            while data := stream.read(_FLUSH):
                self._take(data)
        self._draft = self._judge()

    def _take(self, data: bytes) -> None:
        self._hash.update(data)
        self._inspector.feed(data)
        self._size += len(data)

    def _judge(self) -> Draft | Defect:
        verdict = self._inspector.finish()
        if isinstance(verdict, Defect):
            return verdict
        digest = self._hash.hexdigest()
        return Draft(properties=verdict, bytes=self._size, sha256=digest)

    async def _flush(self) -> None:
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        try:
            if self._file is None:
                self._path.parent.mkdir(exist_ok=True)
                self._file = await aiofiles.open(self._path, "wb", buffering=0)
            while data:
                data = data[await self._file.write(data) :]
        except OSError as error:
            raise _refused(self._path.name, error) from error


def _link(partial: Path, final: Path) -> None:
    """Name a file anew, keeping its old name where the file system has links."""
    try:
        os.link(partial, final)
    except FileExistsError:
        if not final.samefile(partial):
            # What stands there is no whole image, see `_free`: put ours in its place.
            spare = partial.with_name(f"{partial.name}.link")
            os.link(partial, spare)
            spare.replace(final)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        partial.replace(final)


def _is_whole(path: Path) -> bool:
    inspector = Inspector()
    with path.open("rb") as stream:
        while data := stream.read(1 << 20):
            inspector.feed(data)
    return not isinstance(inspector.finish(), Defect)


def _fsync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _refused(what: str, error: OSError) -> StoreError:
    return StoreError(f"cannot keep {what!r}: {error.strerror or error}")
