"""What a place for images offers, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from batcher.images import Defect, Document, NotEmbedded, Properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A whole image that has no final name yet.

    Attributes:
        properties: Format, width and height, told from the bytes.
        bytes: Size.
        sha256: Hex digest.
    """

    properties: Properties
    bytes: int
    sha256: str


class Partial(Protocol):
    """An image on its way in. One task at a time writes to it."""

    async def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            StoreError: The store is full or refuses.
        """

    async def finish(self) -> Draft | Defect:
        """Close it, and say what the bytes were. Idempotent.

        Raises:
            StoreError: The store is full or refuses.
        """

    async def embed(self, document: Document) -> Draft | NotEmbedded:
        """Put into a finished whole image whence it came; atomic.

        One that has its final name already is left as it is.

        Args:
            document: Whence it came, see `images.embedding`.

        Returns:
            What the bytes are now, or why they are what they were.

        Raises:
            StoreError: The store is full or refuses.
        """

    async def keep(self, output: str) -> str:
        """Give a finished whole image its name; atomic, never over a whole image.

        A second time, also of a recovered one, it has the same name as before.

        Args:
            output: Relative path without its ending, `/`-separated.

        Returns:
            The path it got, with its ending. The bytes may not be on the disk before
            `Store.sync` returns.

        Raises:
            StoreError: The store refuses.
        """

    async def discard(self) -> None:
        """Forget it; a kept image stays. Idempotent, never raises."""


class Store(Protocol):
    """Keeps images. Safe to call at once from many tasks.

    A kept image is still found by `recover`, until `forget` is told of it: only the
    ledger knows when its line was written.
    """

    @property
    def behind(self) -> int:
        """Count the kept images that `sync` has still to bring to the disk."""

    def space(self) -> int | None:
        """Give the bytes that are free; None where nobody knows. Never raises."""

    async def begin(self, id_: str, attempt: int, number: int) -> Partial:
        """Start an image; raises `StoreError`.

        A partial image is found again by these three after the process died.
        """

    async def recover(self, id_: str, attempt: int) -> Mapping[int, Partial]:
        """Find what an attempt had written when the process died, by number."""

    def settled(self, is_settled: Callable[[str], bool]) -> Sequence[str]:
        """List what `recover` would find of requests that need it no more; blocks.

        Args:
            is_settled: Tells by a request's id.
        """

    def sync(self) -> None:
        """Bring what was kept so far to the disk; blocks, so call it in a thread.

        Raises:
            StoreError: The store refuses; what was kept may be lost by a power cut.
        """

    def forget(self, names: Sequence[str]) -> None:
        """Remove what `settled` listed; kept images stay. Blocks, never raises."""

    def close(self) -> None:
        """Leave nothing empty behind. Blocks, never raises."""
