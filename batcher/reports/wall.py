"""Hangs a run's images on its page: links those of a folder, copies those of a URL.

A page from disk cannot open an object store, whose images nobody may read without a
key; so the page gets its own copies, or thumbnails alone.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from batcher.reports.entry import Picture, hang, link

if TYPE_CHECKING:
    from batcher.layout import Inventory
    from batcher.models import Image
    from batcher.reports.thumbnail import Thumbnailer

FOLDER = "images"
"""Where copies go, within a report."""

FAR_THREADS = 8
"""Images of an object store that are looked at once, at least; each is decoded."""


class Wall(Protocol):
    """Makes pictures of images; threads may share it.

    Attributes:
        threads: How many should.
    """

    threads: int

    def picture(self, image: Image) -> Picture:
        """Say how the page links an image, made ready for it.

        Raises:
            OSError: The report's disk refuses.
            StoreError: An object store fails.
        """


class LinkedWall:
    """Links the images of a folder; see `Wall`.

    Args:
        folder: The run directory.
        out: The report's folder.
        thumbs: Makes the thumbnails.
    """

    def __init__(self, folder: Path, out: Path, thumbs: Thumbnailer) -> None:
        self.threads = os.cpu_count() or 1
        self._folder = folder
        self._base = base_url(folder, out)
        self._thumbs = thumbs

    def picture(self, image: Image) -> Picture:
        """Link an image, if it is there."""
        src = link(self._base, image.path)
        source = self._folder / image.path
        is_there = src is not None and source.is_file()
        thumb = self._thumbs.thumbnail(image, source) if is_there else None
        return hang(image, src=src if is_there else None, thumb=thumb)


class CopiedWall:
    """Copies the images of an object store; see `Wall`. Copies that are there stay.

    Args:
        files: Of the run directory.
        out: The report's folder.
        thumbs: Makes the thumbnails.
        is_thumbs_only: An image that has a thumbnail is not kept beside it.

    Attributes:
        copied: Bytes of the images that were copied and kept.
    """

    def __init__(
        self,
        files: Inventory,
        out: Path,
        thumbs: Thumbnailer,
        *,
        is_thumbs_only: bool = False,
    ) -> None:
        self.threads = max(FAR_THREADS, os.cpu_count() or 1)
        self.copied = 0
        self._files = files
        self._out = out
        self._thumbs = thumbs
        self._is_thumbs_only = is_thumbs_only
        self._lock = threading.Lock()

    def picture(self, image: Image) -> Picture:
        """Copy an image, if it is there."""
        src = link(f"{FOLDER}/", image.path)
        size = None if src is None else self._files.size(image.path)
        if size is None:
            return hang(image, src=None, thumb=None)
        found = self._thumbs.found(image) if self._is_thumbs_only else None
        if found is not None:
            return hang(image, src=found, thumb=found)
        copy = self._out / FOLDER / image.path
        is_new = not copy.is_file() or copy.stat().st_size != size
        if is_new and not self._fetch(image.path, copy):
            return hang(image, src=None, thumb=None)
        thumb = self._thumbs.thumbnail(image, copy)
        if self._is_thumbs_only and thumb is not None:
            copy.unlink()
            return hang(image, src=thumb, thumb=thumb)
        if is_new:
            with self._lock:
                self.copied += size
        return hang(image, src=src, thumb=thumb)

    def _fetch(self, name: str, copy: Path) -> bool:
        """Copy an image; false when it has gone."""
        stream = self._files.directory.open(name)
        if stream is None:
            return False
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_name(f".{copy.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            with stream, part.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
        return True


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
