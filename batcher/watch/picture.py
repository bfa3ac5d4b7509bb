"""Finds the files that the page may show, links them, and makes their thumbnails.

A link names a request and the number of its image, never a path: what is served is what
the ledger says was kept, and it lies in the run directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from batcher.models import Image
from batcher.reports.entry import Picture, hang, link
from batcher.reports.thumbnail import EDGE, Thumbnailer, find_pillow

if TYPE_CHECKING:
    from pathlib import Path

Hanger = Callable[[str, int, Image], Picture]
"""Links the image of a request with this id and number."""

REPORT = "report"
"""Where thumbnails are kept, so that `batcher report` finds them again."""


class Wall:
    """The kept files of a run directory; threads may share it.

    Args:
        folder: The run directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._home = self._folder / REPORT
        self._thumbs = Thumbnailer(self._home, find_pillow())

    def hang(self, id_: str, number: int, image: Image) -> Picture:
        """Link an image that is there, and its thumbnail, made when it is asked for."""
        if link("", image.path) is None or not self._is_there(image):
            return hang(image, src=None, thumb=None)
        # The hash keeps a browser from showing what was there before.
        place = f"{id_}/{number}?{image.sha256[:8]}"
        is_small = max(image.width, image.height) <= EDGE
        has_thumb = self._thumbs.is_able and not is_small
        thumb = f"thumb/{place}" if has_thumb else None
        return hang(image, src=f"image/{place}", thumb=thumb)

    def _is_there(self, image: Image) -> bool:
        # `os.path` is several times faster, and a page may have 100,000 images.
        return os.path.isfile(f"{self._folder}/{image.path}")  # noqa: PTH113

    def find(self, image: Image) -> Path | None:
        """Find an image's file; None when it is gone or lies elsewhere."""
        if link("", image.path) is None:
            return None
        try:
            path = (self._folder / image.path).resolve()
            is_ours = path.is_relative_to(self._folder) and path.is_file()
        except (OSError, ValueError):  # a name that no disk takes
            return None
        return path if is_ours else None

    def thumbnail(self, image: Image) -> Path | None:
        """Make an image's thumbnail, or find it; blocks while it is drawn."""
        source = self.find(image)
        name = None if source is None else self._thumbs.thumbnail(image, source)
        return None if name is None else self._home / name
