"""Brings images, and then the ledger lines that name them, to the disk, in groups.

A power cut costs at most what came since the last group. The disk is waited for in a
thread, never on the event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from batcher.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batcher.ledger import Ledger
    from batcher.stores import Store

SECONDS = 1.0
"""How far the disk may be behind."""


class Durability:
    """Syncs a store and its ledger while a run goes on.

    Args:
        store: Where the images are.
        ledger: Whose lines name them.
        on_error: Is told when the disk refuses.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        on_error: Callable[[StoreError], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._on_error = on_error

    async def keep_up(self, ended: asyncio.Event) -> None:
        """Sync every second, until the work has ended or the disk refuses."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await ended.wait()
                    return
            try:
                await asyncio.to_thread(self.sync)
            except StoreError as error:
                self._on_error(error)
                return

    def sync(self) -> None:
        """Sync images, then the ledger, then forget what nobody can want; blocks.

        Raises:
            StoreError: The disk refuses.
        """
        settled = self._store.settled(self._is_settled)
        self._store.sync()
        self._ledger.sync()
        self._store.forget(settled)

    def _is_settled(self, id_: str) -> bool:
        """Tell whether no image of a request can be found half kept any more."""
        standing = self._ledger.standings.get(id_)
        return standing is None or not standing.is_open
