"""What is new on the page, and since when: the ledger folded as it grows.

Holds what the ledger's standings take and two numbers per request, however many pages
are open: a page is a cursor, and asks for what changed since. So one that is slow, or
was away, gets the latest of each request and nothing twice.
"""

from __future__ import annotations

import secrets
from itertools import takewhile
from typing import TYPE_CHECKING, Self

import msgspec

from batcher.count import Count
from batcher.ledger import FILE_NAME, Standings
from batcher.ledger.event import Result, now
from batcher.ledger.presence import presence
from batcher.ledger.tail import Tail
from batcher.reports.entry import ended, unfinished
from batcher.reports.overview import Overview, make_header
from batcher.status import summarize
from batcher.stores import LocalDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.models import Image
    from batcher.reports.entry import Entry, Picture
    from batcher.watch.picture import Hanger

_result = msgspec.json.Decoder(Result).decode


class Feed:
    """A run directory's requests, followed; a context manager.

    Args:
        folder: The run directory; its ledger need not be there yet.
        hang: Links the pictures of a request.
    """

    def __init__(self, folder: Path, hang: Hanger) -> None:
        self._title = folder.resolve().name
        self._tail = Tail(folder / FILE_NAME)
        self._holds = presence(LocalDirectory(folder))
        self._hang = hang
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tail.__exit__()

    def _begin(self) -> None:
        self._generation = secrets.token_hex(4)
        self._standings = Standings(self._holds)
        self._count = Count()
        self._overview = Overview()
        self._results: dict[str, int] = {}  # id → offset of its last result
        self._touched: dict[str, int] = {}  # id → offset of its last line, in order

    @property
    def cursor(self) -> str:
        """Say up to where the ledger was taken in; opaque to whoever keeps it."""
        return f"{self._generation}-{self._tail.offset}"

    def advance(self) -> bool:
        """Take in some of what the ledger has gained; tell whether there was any.

        Raises:
            OSError: The ledger cannot be read.
        """
        if self._tail.is_replaced():
            self._tail.begin_anew()
            self._begin()
        lines = self._tail.read()
        for offset, raw in lines:
            self._take(offset, raw)
        return bool(lines)

    def ids(self) -> list[str]:
        """List every request, in the order in which the ledger first names them."""
        return list(self._standings)

    def since(self, cursor: str) -> list[tuple[str, int]] | None:
        """List the requests that changed since a cursor, each with its last offset.

        None for a cursor of another ledger, which nothing can be said of.
        """
        generation, _, offset = cursor.partition("-")
        if generation != self._generation or not offset.isdecimal():
            return None
        start = int(offset)
        new = takewhile(lambda each: each[1] >= start, reversed(self._touched.items()))
        return [*new][::-1]

    def cursor_after(self, offset: int) -> str:
        """Give the cursor of a page that knows the line at an offset."""
        return f"{self._generation}-{offset + 1}"

    def entry(self, id_: str) -> Entry | None:
        """Describe a request as it stands now, None for one that is not known."""
        standing = self._standings.get(id_)
        if standing is None:
            return None
        result = self._result(id_)
        if result is None:
            return unfinished(id_, standing, self._overview.sightings.get(id_))
        return ended(result, standing, self._pictures(result))

    def image(self, id_: str, number: int) -> Image | None:
        """Find a file that the last result of a request names."""
        result = self._result(id_)
        if result is None or not 0 <= number < len(result.images):
            return None
        return result.images[number]

    def header(self) -> dict[str, object]:
        """Give what the page is told beside its requests."""
        title = self._title
        summary = summarize(self._standings, self._count, out=title)
        return make_header(title, summary, self._overview, at=now())

    def _take(self, offset: int, raw: bytes) -> None:
        try:
            id_ = _id(raw).id
            before = self._standings.get(id_) if id_ else None
            line = self._standings.take(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        self._overview.take(raw)
        after = self._standings.get(id_) if id_ else None
        if line is None or id_ is None or after is None:
            return
        self._count.move(before, after)
        self._touched.pop(id_, None)
        self._touched[id_] = offset
        if line.event == "result":
            self._results[id_] = offset

    def _result(self, id_: str) -> Result | None:
        offset = self._results.get(id_)
        if offset is None:
            return None
        try:
            return _result(self._tail.line_at(offset))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _pictures(self, result: Result) -> tuple[Picture, ...]:
        return tuple(
            self._hang(result.id, number, image)
            for number, image in enumerate(result.images)
        )


class _Id(msgspec.Struct, frozen=True):
    id: str | None = None


_id = msgspec.json.Decoder(_Id).decode
