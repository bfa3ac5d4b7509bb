"""Tells whether the images that a ledger names are there, with their sizes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from batcher.stores import LocalDirectory

if TYPE_CHECKING:
    from batcher.ledger.fold import Holds
    from batcher.ledger.line import ImageLine
    from batcher.stores import Directory


def presence(directory: Directory) -> Holds:
    """Make what tells whether a run directory still holds an image.

    An object store takes its time for each question, so it is listed, once, when the
    first one is asked.
    """
    if isinstance(directory, LocalDirectory):
        return lambda image: _size(directory, image) == image.bytes

    @cache
    def there() -> frozenset[int]:
        return frozenset(hash((each.name, each.bytes)) for each in directory.entries())

    return lambda image: hash((image.path, image.bytes)) in there()


def _size(directory: LocalDirectory, image: ImageLine) -> int | None:
    try:
        return directory.size(image.path)
    except ValueError:  # a path with a NUL, which no file has
        return None
