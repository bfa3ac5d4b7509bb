"""Keeps images in a local folder.

An image grows under `.partial/` in a file named by its request and attempt, gets its
final name as a second hard link, and loses the first one when the ledger's line that
names it is on the disk: until then it is found again by its partial name. On a file
system without hard links it is renamed, and a crash before its line makes it an orphan.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
from collections import deque
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from aiofiles.os import wrap as in_thread

from batcher.errors import StoreError
from batcher.images import SUFFIX, Defect, Inspector
from batcher.stores.store import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")

PARTIAL_FOLDER = ".partial"

_FLUSH = 256 << 10  # bytes: fewer, larger writes; what each image in flight may hold
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStore:
    """A run directory on this machine; see `Store`.

    Args:
        folder: The run directory; it exists.
        link: Gives a file a second name, where the file system can.
    """

    def __init__(
        self, folder: Path, *, link: Callable[[str, str], None] = os.link
    ) -> None:
        self._folder = folder
        self._link = link
        self._partial = folder / PARTIAL_FOLDER
        self._kept: deque[str] = deque()

    async def begin(self, id_: str, attempt: int, number: int) -> LocalPartial:
        """Start an image; its file is made when the first bytes are flushed."""
        return LocalPartial(self, f"{self._partial}/{id_}.{attempt}.{number}")

    async def recover(self, id_: str, attempt: int) -> list[LocalPartial]:
        """Find what an attempt had written, by number."""
        return await asyncio.to_thread(self._recover, f"{id_}.{attempt}.")

    def _recover(self, prefix: str) -> list[LocalPartial]:
        found = sorted(
            (int(path.name.rpartition(".")[2]), path)
            for path in self._partials()
            if path.name.startswith(prefix) and path.name[len(prefix) :].isdigit()
        )
        partials = [LocalPartial(self, str(path)) for _, path in found]
        for partial in partials:
            partial.read_back()
        return partials

    def settled(self, is_settled: Callable[[str], bool]) -> list[str]:
        """List partial files by name whose requests need them no more."""
        names = [path.name for path in self._partials()]
        return [name for name in names if is_settled(name.partition(".")[0])]

    def sync(self) -> None:
        """Bring kept images and their folders to the disk."""
        kept = tuple(self._kept)
        parents = {PurePosixPath(name.rpartition("/")[0]) for name in kept}
        folders = {folder for each in parents for folder in (each, *each.parents)}
        try:
            for name in kept:
                _visited(f"{self._folder}/{name}", _start_writing)
            for place in (*kept, *folders):
                _visited(f"{self._folder}/{place}", os.fsync)
        except OSError as error:
            raise StoreError(f"cannot sync images: {error.strerror}") from error
        for _ in kept:
            self._kept.popleft()

    def forget(self, names: Iterable[str]) -> None:
        """Remove partial files; a kept image has another name."""
        for name in names:
            with contextlib.suppress(OSError):
                (self._partial / name).unlink()

    def close(self) -> None:
        """Remove the folder of partial files when it is empty."""
        with contextlib.suppress(OSError):
            self._partial.rmdir()

    def link(self, partial: str, output: str, suffix: str) -> str:
        """Give a whole image its final name, or the next free one; blocks."""
        names = (f"{output}{tail}{suffix}" for tail in _tails())
        try:
            name = next(name for name in names if self._claim(name, partial))
        except OSError as error:
            raise _refused(output, error) from error
        self._kept.append(name)
        return name

    def _claim(self, name: str, partial: str) -> bool:
        """Name a whole image; false when another one has that name."""
        final = f"{self._folder}/{name}"
        try:
            self._name(final, partial)
        except FileExistsError:
            taken, own = Path(final), Path(partial)
            return taken.samefile(own) or _replace(taken, own)
        except OSError as error:
            if error.errno not in _NO_LINKS:
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

    def _partials(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            yield from self._partial.iterdir()


class LocalPartial:
    """An image growing in a local file; see `Partial`.

    A large image is examined and written piece by piece in threads. A small one is
    written when it is finished, on the event loop: that takes a tenth of a millisecond,
    less than to hand it to a thread and back.
    """

    def __init__(self, store: LocalStore, path: str) -> None:
        self._store = store
        self._path = path  # a text: to make a `Path` takes longer than to open one
        self._file: int | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._size = 0
        self._hash = hashlib.sha256()
        self._inspector = Inspector()
        self._draft: Draft | Defect | None = None
        self._is_large = False

    async def write(self, data: bytes) -> None:
        """Append bytes; they reach the file in large pieces."""
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _FLUSH:
            await _visit(self._flush)

    async def finish(self) -> Draft | Defect:
        """Close the file, and say what the bytes were."""
        if self._draft is None:
            self._is_large = self._file is not None
            if self._is_large:
                await _visit(self._end)
            else:
                self._end()
            self._draft = self._judge()
        return self._draft

    async def keep(self, output: str) -> str:
        """Give the whole image its name."""
        draft = await self.finish()
        if isinstance(draft, Defect):
            raise StoreError(f"will not keep {output!r}: {draft.message}")
        suffix = SUFFIX[draft.properties.format]
        if self._is_large:
            return await _visit(self._store.link, self._path, output, suffix)
        return self._store.link(self._path, output, suffix)

    async def discard(self) -> None:
        """Close and remove the partial file."""
        self._pending.clear()
        with contextlib.suppress(OSError):
            self._remove()

    def read_back(self) -> None:
        """Take in what a process that died had written; blocks."""
        with contextlib.suppress(OSError), Path(self._path).open("rb") as stream:
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

    def _end(self) -> None:
        """Examine and write what is left, and close; blocks."""
        self._flush()
        try:
            self._close()
        except OSError as error:
            raise _refused(self._path.rpartition("/")[2], error) from error

    def _flush(self) -> None:
        """Examine and write what is pending; blocks."""
        pending, self._pending, self._pending_size = self._pending, [], 0
        try:
            if self._file is None:
                self._file = _create(self._path)
            for data in pending:
                self._take(data)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise _refused(self._path.rpartition("/")[2], error) from error

    def _remove(self) -> None:
        self._close()
        Path(self._path).unlink()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


async def _visit(call: Callable[..., _T], *args: object) -> _T:
    """Make a blocking call in a thread; a cancellation waits until it has returned.

    A file must not be closed under a write: its number may be another file's by then.
    """
    visit = asyncio.ensure_future(in_thread(call)(*args))
    try:
        return await asyncio.shield(visit)
    except asyncio.CancelledError:
        with contextlib.suppress(StoreError):
            await visit
        raise


def _create(path: str) -> int:
    """Open a partial file anew."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        Path(path).parent.mkdir(exist_ok=True)
    except FileExistsError:
        # What an earlier process left here may be a kept image's other name.
        Path(path).unlink()
    return os.open(path, flags, 0o644)


def _tails() -> Iterator[str]:
    """Give what is put after a name while it is taken: nothing, `~2`, `~3` and on."""
    yield ""
    yield from (f"~{number}" for number in count(2))


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


def _start_writing(file: int) -> None:
    """Have a file's bytes sent to the disk, without waiting.

    Then the first `fsync` of many commits for all of them, and the others find little
    left to do: on ext4 it takes less than half of the time.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _visited(path: str, call: Callable[[int], None]) -> None:
    """Call with an open file or folder, unless the user has removed it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        call(file)
    finally:
        os.close(file)


def _refused(what: str, error: OSError) -> StoreError:
    return StoreError(f"cannot keep {what!r}: {error.strerror or error}")
