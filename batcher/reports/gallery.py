"""Walks a run's requests as the page is to show them, thumbnails made on the way.

Holds a few requests per thread at a time, and one id per request.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from batcher.ledger import read_results
from batcher.reports.entry import Entry, Picture, ended, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from batcher.ledger import Standings
    from batcher.ledger.event import Result
    from batcher.reports.overview import Overview
    from batcher.reports.wall import Wall
    from batcher.stores import Directory

    Pictures = tuple[Picture, ...]

_AHEAD = 4  # requests per thread that are looked at before their turn


class Gallery:
    """A run directory, seen from its report.

    Args:
        directory: The run directory.
        wall: Makes the pictures.
        only: Ids of the requests that are shown; None shows all.
    """

    def __init__(
        self,
        directory: Directory,
        wall: Wall,
        *,
        only: frozenset[str] | None = None,
    ) -> None:
        self._directory = directory
        self._wall = wall
        self._only = only

    def entries(self, standings: Standings, overview: Overview) -> Iterator[Entry]:
        """Walk every request the ledger names: ended ones first, in its order."""
        seen = set()
        for result, pictures in self._hung():
            seen.add(result.id)
            yield ended(result, standings.get(result.id), pictures)
        for id_ in standings:
            standing = standings.get(id_)
            if standing is not None and id_ not in seen and self._is_shown(id_):
                yield unfinished(id_, standing, overview.sightings.get(id_))

    def _is_shown(self, id_: str) -> bool:
        return self._only is None or id_ in self._only

    def _hung(self) -> Iterator[tuple[Result, Pictures]]:
        """Walk the results, their pictures made ready by many threads."""
        threads = self._wall.threads
        pool = ThreadPoolExecutor(threads, thread_name_prefix="thumbnail")
        waiting: deque[tuple[Result, Future[Pictures]]] = deque()
        try:
            for result in read_results(self._directory):
                if not self._is_shown(result.id):
                    continue
                waiting.append((result, pool.submit(self._pictures, result)))
                if len(waiting) > threads * _AHEAD:
                    first, pictures = waiting.popleft()
                    yield first, pictures.result()
            for first, pictures in waiting:
                yield first, pictures.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _pictures(self, result: Result) -> Pictures:
        return tuple(map(self._wall.picture, result.images))
