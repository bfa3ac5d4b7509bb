"""Says which split an image belongs to: `train=0.9,test=0.1`.

Pure. By a hash of the request's id, so an image stays where it is as the run grows, and
the images of one request stay together.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import accumulate

import msgspec

from batcher.errors import UsageError

DEFAULT = "train"
"""The split of an export that has only one, as `datasets` calls it."""

_SPACE = 1 << 64
# Part of a file's name before a `-`, and a word to `datasets`, where `all` means all.
_is_name = re.compile(r"(?!all$)[a-z][a-z0-9_]{0,39}").fullmatch
_LARGEST = Decimal(10**9)


class Splits(msgspec.Struct, frozen=True, kw_only=True):
    """The splits of an export.

    Attributes:
        names: In the order given.
        bounds: Of each, the hash below which an id belongs to it or to one before.
    """

    names: tuple[str, ...] = (DEFAULT,)
    bounds: tuple[int, ...] = (_SPACE,)

    def split_of(self, id_: str) -> str:
        """Name the split of a request."""
        digest = hashlib.sha256(b"batcher split\n" + id_.encode()).digest()
        place = int.from_bytes(digest[:8], "big")
        pairs = zip(self.names, self.bounds, strict=True)
        return next(name for name, bound in pairs if place < bound)


def parse_splits(text: str) -> Splits:
    """Read splits and their weights, which need not add up to 1.

    Raises:
        UsageError: A name or a weight is none, or a name stands twice.
    """
    weights: dict[str, Fraction] = {}
    for part in text.split(","):
        name, _, weight = (piece.strip() for piece in part.partition("="))
        if not _is_name(name):
            words = "expected a name of a-z, 0-9 and _ before each '=', and not 'all'"
            raise UsageError(f"--split: {words}; got {part.strip()!r}")
        if name in weights:
            raise UsageError(f"--split: {name!r} stands twice")
        weights[name] = _weight(weight, part)
    total = sum(weights.values())
    bounds = (int(share / total * _SPACE) for share in accumulate(weights.values()))
    return Splits(names=tuple(weights), bounds=tuple(bounds))


def _weight(text: str, part: str) -> Fraction:
    try:
        weight = Decimal(text)
    except InvalidOperation:
        weight = Decimal(0)
    if not (weight.is_finite() and 1 / _LARGEST <= weight <= _LARGEST):
        words = "expected a weight above 0, such as train=0.9"
        raise UsageError(f"--split: {words}; got {part.strip()!r}")
    return Fraction(weight)
