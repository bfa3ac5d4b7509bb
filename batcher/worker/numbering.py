"""Tells which image of a reply is which in the store. Pure.

The store knows an image by a number, the user by its index in the reply. The two are
not the same: what came inside a reply is numbered first, what is at its URLs after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

    from batcher.ledger import ReplyLine
    from batcher.transport import Reply

_T = TypeVar("_T")


class Numbering(msgspec.Struct, frozen=True, kw_only=True):
    """Which image of a reply each number stands for, and where those not here are.

    Attributes:
        indexes: Indexes in the reply, by number; those of `urls` come last.
        urls: Where images can be fetched, by number.
    """

    indexes: Mapping[int, int]
    urls: Mapping[int, str]

    @classmethod
    def of(cls, reply: Reply, came: Collection[int]) -> Numbering:
        """Number what a reply names and did not bring; `came` holds indexes."""
        usable = reply.usable
        inside = {each.number: each.index for each in usable if each.number is not None}
        absent = {each.index: each.url for each in usable if each.index not in came}
        urls = {index: url for index, url in absent.items() if url is not None}
        return cls._after(inside, urls)

    @classmethod
    def again(cls, line: ReplyLine, whole: Collection[int], n: int) -> Numbering:
        """Take it from the ledger's line of a reply that came in an earlier run.

        A line without `indexes`, of an older batcher, leaves it to guess: of `n` images
        the last are at the URLs, and those that are `whole` come first.
        """
        inside = len(line.indexes) - len(line.urls)
        if inside >= 0:
            numbers = [*line.indexes][inside:]
            urls = dict(zip(numbers, line.urls, strict=True))
            return cls(indexes=line.indexes, urls=urls)
        here = {number: index for index, number in enumerate(sorted(whole))}
        return cls._after(here, dict(enumerate(line.urls, max(0, n - len(line.urls)))))

    @classmethod
    def _after(cls, here: Mapping[int, int], urls: Mapping[int, str]) -> Numbering:
        """Number images at URLs, given by index, after those that are here."""
        first = max(here, default=-1) + 1
        indexes = {**here, **dict(enumerate(urls, first))}
        return cls(indexes=indexes, urls=dict(enumerate(urls.values(), first)))

    @property
    def images(self) -> int:
        """Count the images of the reply."""
        return len({*self.indexes.values()})

    def by_index(self, numbered: Mapping[int, _T]) -> dict[int, _T]:
        """Give by index what is known by number."""
        known = self.indexes
        return {known[number]: it for number, it in numbered.items() if number in known}

    def missing(self, came: Collection[int]) -> Numbering:
        """Leave out the URLs of what is here; `came` holds indexes."""
        urls = {k: url for k, url in self.urls.items() if self.indexes[k] not in came}
        return msgspec.structs.replace(self, urls=urls)
