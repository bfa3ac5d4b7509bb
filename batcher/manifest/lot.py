"""Draws lots for templates: `pick(…)` of some values, `wildcard(…)` of a word file.

A lot is drawn by a hash of what the request is made of, never of where it stands: a run
on another day or machine, or after a row was put in, draws the same. Knows no Jinja2.
"""

from __future__ import annotations

import math
from bisect import bisect
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

from batcher.manifest.axes import inside
from batcher.manifest.field import shown
from batcher.manifest.rows import RowsError, read_words
from batcher.plural import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MOST_FILES = 100
"""Word files that are remembered; a template may name another one in each row."""

LOT = "the request's lot"
"""Under this name, which no template can say, a rendering finds what it draws with."""

BITS = 64
"""Bits of a lot: each of a million words is as likely, but for one in 10^13."""

_canonical = msgspec.json.Encoder(order="deterministic").encode


class LotError(Exception):
    """There is nothing to draw from, or not in this way."""


class Lots:
    """Draws for the requests of one manifest.

    Args:
        folder: The manifest's folder, where word files lie.
        seed: The manifest's `seed`; another one draws everything anew.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self._folder = folder
        self._seed = seed
        self.words = lru_cache(maxsize=MOST_FILES)(self._read_words)

    def lot(self, variables: Mapping[str, object], sample: int) -> Lot:
        """Give what one request draws with.

        Args:
            variables: Its combination.
            sample: The sample's number.
        """
        return Lot(self, _canonical((self._seed, variables, sample)))

    def _read_words(self, file: object) -> Sequence[str]:
        try:
            words = read_words(inside(self._folder, file))
        except RowsError as error:
            raise LotError(f"wildcard: {error}") from error
        if not words:
            raise LotError(f"wildcard: {shown(file)} holds no words")
        return words


class Lot:
    """What one request draws with; made by `Lots`."""

    def __init__(self, lots: Lots, content: bytes) -> None:
        self.lots = lots
        self._content = content

    def number(self, template: str, ordinal: int) -> int:
        """Draw a number below `2**BITS`.

        Args:
            template: The text that draws; two of the same text draw the same.
            ordinal: Number of the drawing within the text.
        """
        parts = (self._content, template.encode(), str(ordinal).encode())
        digest = sha256(b"\0".join(sha256(part).digest() for part in parts)).digest()
        return int.from_bytes(digest[: BITS // 8], "big")


def _pick(lots: Lots, number: int, *choices: object, weights: object = None) -> object:
    del lots
    if len(choices) == 1 and isinstance(choices[0], list | tuple):
        choices = tuple(choices[0])
    if not choices:
        raise LotError("pick: has nothing to choose from")
    if weights is None:
        return choices[number * len(choices) >> BITS]
    return choices[_weighted(number, _checked(weights, len(choices)))]


def _checked(weights: object, count: int) -> Sequence[float]:
    if not isinstance(weights, list | tuple) or not all(map(_is_weight, weights)):
        raise LotError(
            f"pick: weights: expected numbers from 0 up, got {shown(weights)}"
        )
    if len(weights) != count:
        values, own = counted(count, "value"), counted(len(weights), "weight")
        raise LotError(f"pick: {own} for {values}")
    if not 0 < sum(weights) < math.inf:
        raise LotError("pick: weights: one must be above 0")
    return weights


def _is_weight(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < math.inf  # type: ignore[operator]  # a number


def _weighted(number: int, weights: Sequence[float]) -> int:
    """Find the place at which a part of all weights is reached."""
    reached = [*accumulate(weights)]
    place = bisect(reached, number / 2**BITS * reached[-1])
    # Rounding may reach the end, and what has no weight is never drawn.
    return min(place, reached.index(reached[-1]))


def _wildcard(lots: Lots, number: int, file: object) -> str:
    if not isinstance(file, str):
        raise LotError(f"wildcard: expected a file's path, got {shown(file)}")
    words = lots.words(file)
    return words[number * len(words) >> BITS]


DRAWS: Mapping[str, Callable[..., object]] = {"pick": _pick, "wildcard": _wildcard}
"""What a template may call to draw, and what each does with a number."""
