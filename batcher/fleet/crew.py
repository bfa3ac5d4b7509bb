"""Who works on a run directory as a fleet, and by what word; told to any asker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batcher.fleet.helm import Word, driver_of, probed, word_of
from batcher.fleet.holder import TTL
from batcher.fleet.lease import busy

if TYPE_CHECKING:
    from batcher.stores.directory import Directory

__all__ = ["Crew", "muster"]


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at work.

    Attributes:
        shards: What workers may be at work on, such as `0003-of-0016`.
        has_driver: Somebody hands out shards.
        word: What all of them go by.
    """

    shards: tuple[str, ...]
    has_driver: bool
    word: Word


def muster(directory: Directory, *, ttl: float = TTL) -> Crew | None:
    """Tell who is at work on a run directory; None for nobody. Blocks.

    Args:
        directory: The run directory.
        ttl: Seconds of silence after which a worker is taken for dead, at least.

    Raises:
        StoreError: The directory cannot be read or written.
    """
    roster = probed(directory)
    if roster is None:
        return None
    shards = tuple(busy(directory, roster, ttl))
    sign = driver_of(directory, roster)
    if not shards and sign is None:
        return None
    word = word_of(directory, roster, sign)
    return Crew(shards=shards, has_driver=sign is not None, word=word)
