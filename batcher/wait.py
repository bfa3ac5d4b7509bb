"""Waits on the event loop for whatever comes first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def first_of(*waits: Awaitable[object], seconds: float | None = None) -> None:
    """Wait until one of them is over, and give up the others.

    Args:
        waits: What to wait for; shield what must go on when it is given up.
        seconds: How long at most; without it, as long as it takes.
    """
    futures = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(
            futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for future in futures:
            future.cancel()
