"""Makes thumbnails, once each.

A thumbnail is named by its image's hash, so it is found again by every later report.
Needs Pillow, the extra `[report]`; without it there are none, and the page shows the
images themselves.
"""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from batcher.models import Image

FOLDER = "thumbs"
EDGE = 512
"""Pixels of the longer side: sharp on a dense screen at the page's largest tile."""

_QUALITY = 80
_MODES = frozenset({"RGB", "RGBA"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


def find_pillow() -> ModuleType | None:
    """Import Pillow's `Image`, or give None where it is not installed."""
    try:
        from PIL import Image as pillow  # noqa: N813, PLC0415 - the extra `[report]`
    except ImportError:
        return None
    return pillow


class Thumbnailer:
    """Makes thumbnails under a report's folder; threads may share it.

    Args:
        folder: The report's folder.
        pillow: Pillow's `Image`; without it no thumbnail is made.

    Attributes:
        made: How many were made, the ones found not counted.
    """

    def __init__(self, folder: Path, pillow: ModuleType | None) -> None:
        self.made = 0
        self._folder = folder
        self._pillow = pillow
        self._lock = threading.Lock()

    @property
    def is_able(self) -> bool:
        """Tell whether Pillow is installed."""
        return self._pillow is not None

    def found(self, image: Image) -> str | None:
        """Give the thumbnail that an earlier report has made, as `thumbnail` does."""
        name = _name(image)
        return name if name is not None and (self._folder / name).is_file() else None

    def thumbnail(self, image: Image, source: Path) -> str | None:
        """Give a thumbnail's path relative to the report's folder, `/`-separated.

        None where there is none: without Pillow, for an image no larger than a
        thumbnail, for one that cannot be read.
        """
        name = _name(image)
        if name is None:
            return None
        path = self._folder / name
        try:
            if path.exists() and path.stat().st_mtime >= source.stat().st_mtime:
                return name
            return name if self._make(source, path) else None
        except OSError:
            # A full disk or a spoilt image costs a thumbnail, not the report.
            return None

    def _make(self, source: Path, path: Path) -> bool:
        pillow = self._pillow
        if pillow is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            with pillow.open(source) as opened:
                opened.draft("RGB", (2 * EDGE, 2 * EDGE))  # a JPEG is decoded smaller
                small = opened if opened.mode in _MODES else opened.convert("RGBA")
                small.thumbnail((EDGE, EDGE))
                small.save(part, "WEBP", quality=_QUALITY)
            part.replace(path)
        except (pillow.DecompressionBombError, SyntaxError, ValueError):
            return False  # what Pillow raises for a spoilt image, beside OSError
        finally:
            part.unlink(missing_ok=True)
        with self._lock:
            self.made += 1
        return True


def _name(image: Image) -> str | None:
    """Name an image's thumbnail; None for an image that is as small itself."""
    sha256 = image.sha256
    if max(image.width, image.height) <= EDGE or not _SHA256.fullmatch(sha256):
        return None
    return f"{FOLDER}/{sha256[:2]}/{sha256[2:32]}.webp"
