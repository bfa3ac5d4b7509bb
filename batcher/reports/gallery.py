"""Walks a run's requests as the page is to show them, thumbnails made on the way.

Holds a few requests per processor at a time, and one id per request.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from batcher.ledger import read_results
from batcher.reports.entry import Entry, Picture, ended, hang, link, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from batcher.ledger import Standings
    from batcher.ledger.event import Result
    from batcher.models import Image
    from batcher.reports.overview import Overview
    from batcher.reports.thumbnail import Thumbnailer

    Pictures = tuple[Picture, ...]

_AHEAD = 4  # requests per processor that are looked at before their turn


class Gallery:
    """A run directory, seen from its report.

    Args:
        folder: The run directory.
        out: The report's folder.
        thumbs: Makes the thumbnails.
        only: Ids of the requests that are shown; None shows all.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        thumbs: Thumbnailer,
        *,
        only: frozenset[str] | None = None,
    ) -> None:
        self._folder = folder
        self._only = only
        self._base = base_url(folder, out)
        self._thumbs = thumbs

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
        """Walk the results, their pictures made ready by all processors."""
        threads = os.cpu_count() or 1
        pool = ThreadPoolExecutor(threads, thread_name_prefix="thumbnail")
        waiting: deque[tuple[Result, Future[Pictures]]] = deque()
        try:
            for result in read_results(self._folder):
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
        return tuple(self._picture(image) for image in result.images)

    def _picture(self, image: Image) -> Picture:
        src = link(self._base, image.path)
        source = self._folder / image.path
        is_there = src is not None and source.is_file()
        thumb = self._thumbs.thumbnail(image, source) if is_there else None
        return hang(image, src=src if is_there else None, thumb=thumb)


def base_url(folder: Path, out: Path) -> str:
    """Give the URL of a run directory as a page in `out` links it, with its last `/`.

    Relative, so that both can be moved together; absolute where no relative path
    leads, as between two drives.
    """
    try:
        path = Path(os.path.relpath(folder, out)).as_posix()
    except ValueError:
        return folder.resolve().as_uri() + "/"
    return quote(path, safe="/") + "/"
