"""An image growing in a local file."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from aiofiles.os import wrap as in_thread

from batcher.errors import StoreError
from batcher.images import SUFFIX, Defect, NotEmbedded, embedding, spliced
from batcher.stores.disk import start_writing
from batcher.stores.gauge import Gauge
from batcher.stores.store import Draft

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batcher.images import Document

_T = TypeVar("_T")

_FLUSH = 1 << 20  # bytes: fewer, larger writes; what each image in flight may hold
_LARGE = 256 << 10  # bytes: takes longer than to hand it to a thread and back

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="images")
"""More of them wait for the interpreter more than they hash and write."""

_FULL = {errno.ENOSPC, errno.EDQUOT}

Link = Callable[[str, str, str], str]
"""Gives a whole file its final name, or the next free one: path, output, suffix."""


class LocalPartial:
    """An image growing in a local file; see `Partial`.

    A large image is examined and written piece by piece in threads. A small one is
    written when it is finished, on the event loop: that takes a tenth of a millisecond,
    less than to hand it to a thread and back.

    Args:
        path: Its name while it is partial, as text: to make a `Path` takes longer than
            to open one.
        link: Gives it its final name.
    """

    def __init__(self, path: str, link: Link) -> None:
        self._path = path
        self._link = link
        self._file: int | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._gauge = Gauge()
        self._draft: Draft | Defect | None = None
        self._refusal: StoreError | None = None
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
            self._is_large = self._file is not None or self._pending_size >= _LARGE
            return await _visit(self._end) if self._is_large else self._end()
        return self._draft

    async def embed(self, document: Document) -> Draft | NotEmbedded:
        """Put into the whole image whence it came."""
        draft = await self.finish()
        if isinstance(draft, Defect):
            return NotEmbedded(message=draft.message)
        made = await _visit(self._embed, draft, document)
        if isinstance(made, Draft):
            self._draft = made
        return made

    async def keep(self, output: str) -> str:
        """Give the whole image its name."""
        draft = await self.finish()
        if isinstance(draft, Defect):
            raise StoreError(f"will not keep {output!r}: {draft.message}")
        suffix = SUFFIX[draft.properties.format]
        if self._is_large:
            return await _visit(self._link, self._path, output, suffix)
        return self._link(self._path, output, suffix)

    async def discard(self) -> None:
        """Close and remove the partial file."""
        self._pending.clear()
        with suppress(OSError):
            self._remove()

    def read_back(self) -> None:
        """Take in what a process that died had written; blocks."""
        with suppress(OSError), Path(self._path).open("rb") as stream:
            for piece in _pieces(stream):
                self._gauge.feed(piece)
        self._draft = self._gauge.finish()

    def _embed(self, draft: Draft, document: Document) -> Draft | NotEmbedded:
        """Write the changed image beside this one, then put it in its place; blocks."""
        path = Path(self._path)
        changed = path.with_name(f"{path.name}.changed")
        try:
            with path.open("rb") as stream:
                if os.fstat(stream.fileno()).st_nlink > 1:
                    return draft  # it has its name; the ledger's line was not written
                splices = embedding(_pieces(stream), document)
                if isinstance(splices, NotEmbedded):
                    return splices
                stream.seek(0)
                made = _written(changed, spliced(_pieces(stream), splices))
            if isinstance(made, Defect) or made.properties != draft.properties:
                changed.unlink()
                return NotEmbedded(message="would not be the same image any more")
            changed.replace(path)
        except OSError as error:
            with suppress(OSError):
                changed.unlink()
            raise refused(path.name, error, folder=path.parents[1]) from error
        return made

    def _end(self) -> Draft | Defect:
        """Examine and write what is left, close, and judge; blocks.

        The verdict is set here: whoever waited for it may have given up meanwhile, and
        ask again.
        """
        self._flush()
        try:
            if self._is_large and self._file is not None:
                start_writing(self._file)  # beside the work: `sync` finds less to do
            self._close()
        except OSError as error:
            raise self._refused(error) from error
        self._draft = self._gauge.finish()
        return self._draft

    def _refused(self, error: OSError) -> StoreError:
        """Remember that bytes are missing: the image is never whole.

        What there is of it makes room at once, for those that still come.
        """
        path = Path(self._path)
        self._refusal = refused(path.name, error, folder=path.parents[1])
        with suppress(OSError):
            self._remove()
        return self._refusal

    def _flush(self) -> None:
        """Examine and write what is pending; blocks."""
        if self._refusal is not None:
            raise self._refusal
        pending, self._pending, self._pending_size = self._pending, [], 0
        try:
            if self._file is None:
                self._file = _create(self._path)
            data = b"".join(pending)  # each call lets others have the interpreter
            self._gauge.feed(data)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise self._refused(error) from error

    def _remove(self) -> None:
        self._close()
        Path(self._path).unlink()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def refused(what: str, error: OSError, *, folder: Path) -> StoreError:
    """Say what the file system would not keep, and why.

    Args:
        what: The image.
        error: What the file system said.
        folder: The run directory, which is what to make room in.
    """
    words = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreError(
            f"cannot keep an image in {str(folder)!r}: {words}; what is kept is safe; "
            "free some space there and run it again"
        )
    return StoreError(f"cannot keep {what!r}: {words}")


async def _visit(call: Callable[..., _T], *args: object) -> _T:
    """Make a blocking call in a thread; a cancellation waits until it has returned.

    A file must not be closed under a write: its number may be another file's by then.
    """
    visit = asyncio.ensure_future(in_thread(call)(*args, executor=_THREADS))
    try:
        return await asyncio.shield(visit)
    except asyncio.CancelledError:
        while not visit.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({visit})
        visit.exception()
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


def _written(path: Path, pieces: Iterable[bytes]) -> Draft | Defect:
    """Write an image to a file, and say what it is."""
    gauge = Gauge()
    with path.open("wb") as stream:
        for piece in pieces:
            gauge.feed(piece)
            stream.write(piece)
    return gauge.finish()


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_FLUSH), b"")
