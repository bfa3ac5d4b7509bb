"""One image on its way up to an object store.

A small one goes up with one PUT when it is finished, a larger one in parts while it
comes. An upload in parts that is not finished is aborted. A process that is killed
leaves its parts behind, unseen and billed, and no listing of files shows them: give the
bucket a lifecycle rule that aborts incomplete uploads after a day.

S3's signature covers the SHA-256 of each body, so that the store refuses what was
changed on the way (`AWS_CHECKSUM_ALGORITHM` makes it keep a digest besides). That all
parts are there is checked by the size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

import obstore

from batcher.errors import StoreError
from batcher.images import SUFFIX, Defect, NotEmbedded, embedding, sniff, spliced
from batcher.stores.cloud import MARK
from batcher.stores.cloud_error import FOREIGN, refusals
from batcher.stores.gauge import Gauge
from batcher.stores.store import Draft

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from obstore import AsyncWritableFile, Attributes

    from batcher.images import Document, Format
    from batcher.stores.cloud import CloudDirectory

_T = TypeVar("_T")

PART = 5 << 20
"""Bytes of a part, the fewest that S3 takes; an image in flight holds two or three.

See the limits of multipart uploads in Amazon's S3 user guide.
"""

_HEAD = 12  # bytes that tell a format
_PIECE = 256 << 10  # bytes handed on at once
_GRACE = 10.0  # seconds that a cancellation waits for what is on its way


class Home(Protocol):
    """What an image asks of the store that it goes to."""

    directory: CloudDirectory

    async def keep(self, path: str, mark: str, output: str, suffix: str) -> str:
        """Give a whole image its final name, or the next free one."""

    async def remove(self, path: str) -> None:
        """Remove what is there of an image; never raises."""


class CloudPartial:
    """An image on its way up; see `Partial`.

    A small one is held until it has its name: something may be embedded in it.

    Args:
        home: Where it goes.
        path: Its name there while it is partial.
        mark: By which its copies are known.
        gauge: Its measures when it is there already, left by a process that died.
    """

    def __init__(
        self, home: Home, path: str, mark: str, gauge: Gauge | None = None
    ) -> None:
        self._home = home
        self._client = home.directory.large
        self._path = path
        self._mark = mark
        self._gauge = gauge or Gauge()
        self._draft = None if gauge is None else gauge.finish()
        self._may_be_there = gauge is not None
        self._pending: deque[bytes] = deque()
        self._pending_size = 0
        self._writer: AsyncWritableFile | None = None
        self._held: bytes | None = None
        self._is_kept = False

    async def write(self, data: bytes) -> None:
        """Append bytes; they leave when a part is full."""
        self._gauge.feed(data)
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= (PART if self._writer is None else _PIECE):
            await self._send()

    async def finish(self) -> Draft | Defect:
        """End the upload, check it, and say what the bytes were."""
        if self._draft is None:
            await self._upload()
            await self._check()
            self._draft = self._gauge.finish()
        return self._draft

    async def embed(self, document: Document) -> Draft | NotEmbedded:
        """Put into the whole image whence it came.

        Of one that was recovered nobody knows yet whether it has a name already. If so,
        `keep` finds it by its mark, and brings it up to date.
        """
        draft = await self.finish()
        if isinstance(draft, Defect):
            return NotEmbedded(message=draft.message)
        if self._is_kept:
            return draft
        made = await ended(asyncio.to_thread(self._embed, draft, document))
        if isinstance(made, Draft):
            await self._check()
            self._draft = made
        return made

    async def keep(self, output: str) -> str:
        """Give the whole image its name."""
        draft = await self.finish()
        if isinstance(draft, Defect):
            raise StoreError(f"will not keep {output!r}: {draft.message}")
        suffix = SUFFIX[draft.properties.format]
        path = await self._home.keep(self._path, self._mark, output, suffix)
        self._is_kept, self._held = True, None
        return path

    async def discard(self) -> None:
        """Abort the upload, or remove the partial image."""
        self._pending.clear()
        self._held = None
        writer, self._writer = self._writer, None
        if writer is not None:
            # The client aborts a writer whose `async with` ends by an exception.
            with suppress(*FOREIGN):
                await ended(writer.__aexit__(StoreError, StoreError(), None))
        if self._may_be_there:
            self._may_be_there = False
            await self._home.remove(self._path)

    async def _upload(self) -> None:
        """End the upload; of one that was cancelled, the check says the rest."""
        if self._writer is not None:
            await self._send()
            writer, self._writer, self._may_be_there = self._writer, None, True
            with self._refusals("write"):
                await ended(writer.close())
        elif self._held is not None or not self._may_be_there:
            self._may_be_there = True
            self._held = self._held or b"".join(self._pending)
            self._pending.clear()
            await self._put(self._held)

    async def _put(self, data: bytes) -> None:
        with self._refusals("write"):
            upload = obstore.put_async(
                self._client,
                self._path,
                data,
                attributes=self._attributes(sniff(data)),
                use_multipart=False,
            )
            await ended(upload)

    async def _send(self) -> None:
        """Hand on what is pending, and let go of it."""
        if self._writer is None:
            head = b"".join(islice(self._pending, _HEAD))
            self._writer = obstore.open_writer_async(
                self._client,
                self._path,
                attributes=self._attributes(sniff(head)),
                buffer_size=PART,
                max_concurrency=1,
            )
        with self._refusals("write"):
            while self._pending:
                data = self._pending.popleft()
                self._pending_size -= len(data)
                await ended(self._writer.write(data))

    async def _check(self) -> None:
        """Check that what is there has the size of what was sent."""
        with self._refusals("find"):
            found = await obstore.head_async(self._client, self._path)
        there, sent = found["size"], self._gauge.bytes
        if there != sent:
            place = self._home.directory.place(self._path)
            raise StoreError(
                f"cannot write {place!r}: {sent} bytes were sent, {there} are there; "
                "run it again"
            )

    def _embed(self, draft: Draft, document: Document) -> Draft | NotEmbedded:
        """Write the changed image in the place of this one; blocks."""
        splices = embedding(self._pieces(), document)
        if isinstance(splices, NotEmbedded):
            return splices
        try:
            with self._refusals("write"):
                return self._rewrite(draft, spliced(self._pieces(), splices))
        except _ChangedError:
            return NotEmbedded(message="would not be the same image any more")

    def _rewrite(self, draft: Draft, pieces: Iterable[bytes]) -> Draft:
        """Write another version, which is there when it is whole; blocks."""
        gauge = Gauge()
        with obstore.open_writer(
            self._client,
            self._path,
            attributes=self._attributes(draft.properties.format),
            buffer_size=PART,
            max_concurrency=1,
        ) as writer:
            for piece in pieces:
                gauge.feed(piece)
                writer.write(piece)
            made = gauge.finish()
            if isinstance(made, Defect) or made.properties != draft.properties:
                raise _ChangedError  # so that the writer is aborted
        self._gauge = gauge
        return made

    def _pieces(self) -> Iterator[bytes]:
        """Read what is there; blocks."""
        if self._held is not None:
            yield self._held
            return
        stream = self._home.directory.open(self._path)
        if stream is None:
            place = self._home.directory.place(self._path)
            raise StoreError(f"cannot read {place!r}: it was removed meanwhile")
        with stream:
            yield from iter(lambda: stream.read(_PIECE), b"")

    def _attributes(self, image_format: Format | None) -> Attributes:
        kind = f"image/{image_format}" if image_format else "application/octet-stream"
        return {"Content-Type": kind, MARK: self._mark}

    def _refusals(self, verb: str) -> AbstractContextManager[None]:
        return refusals(verb, self._home.directory.place(self._path))


class _ChangedError(Exception):
    """An image would not be the same any more."""


async def ended(operation: Awaitable[_T]) -> _T:
    """Await an operation to its end, for which a cancellation waits a while.

    An upload in parts that is left in the middle of a request cannot be aborted.
    """
    running = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(*FOREIGN, asyncio.CancelledError):
            await asyncio.wait_for(running, _GRACE)
        raise
