"""Brings images, and then the ledger lines that name them, to the disk, in groups.

A power cut costs at most what came since the last group. The disk is waited for in a
thread, never on the event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from batcher.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batcher.ledger import Ledger
    from batcher.stores import Store

_T = TypeVar("_T")

SECONDS = 1.0
"""How far the disk may be behind."""

IMAGES = 32
"""So many are brought to the disk sooner, beside the work and not after it."""

LOOK = 0.1
"""Seconds between two looks, whether there are so many."""


class Durability:
    """Syncs a store and its ledger while a run goes on.

    Args:
        store: Where the images are.
        ledger: Whose lines name them.
        on_error: Is told when the disk refuses.
        seconds: How far the disk may be behind.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        on_error: Callable[[StoreError], None],
        *,
        seconds: float = SECONDS,
    ) -> None:
        self._seconds = seconds
        self._store = store
        self._ledger = ledger
        self._on_error = on_error
        self._syncing = Lock()  # who is cancelled leaves a sync behind in its thread

    async def keep_up(self, ended: asyncio.Event) -> None:
        """Sync every second or sooner, until the work ends or the disk refuses."""
        while not await self._rest(ended):
            try:
                await asyncio.to_thread(self.sync)
            except StoreError as error:
                self._on_error(error)
                return

    async def _rest(self, ended: asyncio.Event) -> bool:
        """Wait until there is something to sync; true when the work has ended."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK, self._seconds)):
                    await ended.wait()
                    return True
            if self._store.behind >= IMAGES or clock() >= until:
                return False

    def sync(self) -> None:
        """Sync images, then the ledger, then forget what nobody can want; blocks.

        Safe to call at once from several threads.

        Raises:
            StoreError: The disk refuses.
        """
        with self._syncing:
            settled = self._store.settled(self._is_settled)
            self._store.sync()
            self._ledger.sync()
            self._store.forget(settled)

    def _is_settled(self, id_: str) -> bool:
        """Tell whether no image of a request can be found half kept any more."""
        standing = self._ledger.standings.get(id_)
        return standing is None or not standing.is_open


async def seen_to_its_end(last: Coroutine[object, None, _T]) -> _T:
    """Await a run's last step; a cancellation is passed on once it has ended.

    What it writes to is closed as soon as this returns.
    """
    step = asyncio.create_task(last, name="finish")
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        while not step.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({step})
        if not step.cancelled():
            step.exception()  # else the loop tells of one that nobody asked for
        raise
