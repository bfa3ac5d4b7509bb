"""Sees an errand to its end: tells it to drain, waits, and kills it when it must.

The same for every engine, which only says how a program is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batcher.engines.engine import Ended
from batcher.wait import first_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Order = Callable[[], Awaitable[object]]

__all__ = ["escort"]

GRACE = 600.0
"""Seconds a program may drain; an image can take five minutes, and be sent twice."""

PATIENCE = 20.0
"""Seconds a killed program, and the news of its end, may take."""

AGAIN = 2.0
"""Seconds between two tellings, which a worker that begins late must not miss."""


async def escort(
    ended: asyncio.Future[Ended],
    drain: asyncio.Event,
    *,
    terminate: Order,
    kill: Order,
    grace: float = GRACE,
) -> Ended:
    """Wait until an errand has ended, and pass on what it is told meanwhile.

    Args:
        ended: How it ends, once it does; never cancelled here.
        drain: Set when the program is to end.
        terminate: Tells the program once, however often it is called.
        kill: Tells it to give up, and kills it soon after.
        grace: Seconds a program may drain before it is killed.
    """
    try:
        await first_of(asyncio.shield(ended), drain.wait())
        deadline = _now() + grace
        while not ended.done() and _now() < deadline:
            await terminate()
            await asyncio.wait({ended}, timeout=AGAIN)
        if not ended.done():
            await _kill(ended, kill)
    except asyncio.CancelledError:
        await _kill(ended, kill)
        raise
    return ended.result() if ended.done() else Ended(exit_code=None)


async def _kill(ended: asyncio.Future[Ended], kill: Order) -> None:
    if not ended.done():
        await kill()
        await asyncio.wait({ended}, timeout=PATIENCE)


def _now() -> float:
    return asyncio.get_running_loop().time()
