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

    Raises:
        Exception: What a wait that is over has failed with, the first of them.
    """
    futures = [_begun(wait) for wait in waits]
    try:
        await asyncio.wait(
            futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        over = [each for each in futures if each.done() and not each.cancelled()]
        for error in filter(None, [each.exception() for each in over]):
            raise error
    finally:
        for future in futures:
            future.cancel()


def _begun(wait: Awaitable[object]) -> asyncio.Future[object]:
    future = asyncio.ensure_future(wait)
    if future is not wait and isinstance(future, asyncio.Task):
        future.set_name("one of several waits")
    return future
