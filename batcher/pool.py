"""Runs the work on this machine: one asyncio task per live request, so many at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from batcher.models import Request

_BREATH = 100  # requests looked at before the event loop gets a turn


class LocalPool:
    """Lives requests at once, never more than there is room for.

    Args:
        room: Gives how many requests may be live; it may change.
        is_closed: Tells when no more are wanted.
    """

    def __init__(
        self, *, room: Callable[[], int], is_closed: Callable[[], bool]
    ) -> None:
        self._room = room
        self._is_closed = is_closed
        self._live: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def run(
        self,
        requests: Iterable[Request | None],
        live: Callable[[Request], Coroutine[None, None, None]],
    ) -> None:
        """Live every request, in order of beginning.

        Args:
            requests: What to do, read only as fast as there is room; None stands for
                one that there is nothing to do for.
            live: Sees one request to its end.

        Raises:
            ExceptionGroup: What a request raised; the others were cancelled.
        """
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                if number % _BREATH == 0:
                    await asyncio.sleep(0)
                if self._is_closed():
                    break
                if request is None:
                    continue
                while len(self._live) >= self._room() and not self._is_closed():
                    self._freed.clear()
                    await self._freed.wait()
                if self._is_closed():
                    break
                task = group.create_task(live(request), name=request.id)
                self._live.add(task)
                task.add_done_callback(self._forget)

    def abort(self) -> None:
        """Cancel every live request; `run` then returns."""
        for task in self._live:
            task.cancel()

    def notice(self) -> None:
        """Look anew at how much room there is."""
        self._freed.set()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._live.discard(task)
        self._freed.set()
