"""Says where one shard of an export ends and the next begins.

Pure. Decides by what the ledger says of the images, before any is read: so a shard's
content is known before it is made, and one that is there need not be made again.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from batcher.errors import UsageError

_UNITS = {
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
}
_size = re.compile(r"([0-9]{1,15})\s*([a-zA-Z]*)").fullmatch


class ShardSize(msgspec.Struct, frozen=True, kw_only=True):
    """How much goes into one shard; without limits, everything.

    Attributes:
        rows: Images at most.
        bytes: Bytes of images at most; a single image may be larger.
    """

    rows: int | None = None
    bytes: int | None = None

    def has_room(self, shard: Shard, size: int) -> bool:
        """Tell whether an image of so many bytes goes into a shard."""
        if self.rows is not None and shard.rows >= self.rows:
            return False
        return not shard.rows or self.bytes is None or shard.bytes + size <= self.bytes


DEFAULT = ShardSize(bytes=500 * 10**6)
"""What the Hugging Face hub advises."""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard is to hold.

    Attributes:
        rows: Images.
        bytes: Bytes of those images.
        digest: Hash of its rows.
    """

    rows: int = 0
    bytes: int = 0
    digest: str = ""


class Division:
    """Divides rows into shards as they come."""

    def __init__(self, size: ShardSize) -> None:
        self._size = size
        self._ended: list[Shard] = []
        self._shard = Shard()
        self._hash = hashlib.sha256()

    def add(self, line: bytes, size: int) -> None:
        """Take in one row, as text, and the bytes of its image."""
        if not self._size.has_room(self._shard, size):
            self._ended.append(self._finished())
            self._shard, self._hash = Shard(), hashlib.sha256()
        self._hash.update(line)
        rows, total = self._shard.rows + 1, self._shard.bytes + size
        self._shard = Shard(rows=rows, bytes=total)

    def shards(self) -> tuple[Shard, ...]:
        """Give the shards of what was taken in."""
        return (*self._ended, *([self._finished()] if self._shard.rows else ()))

    def _finished(self) -> Shard:
        return msgspec.structs.replace(self._shard, digest=self._hash.hexdigest())


def parse_size(text: str) -> ShardSize:
    """Read a number of images, or of bytes with a unit: `1000`, `500MB`.

    Raises:
        UsageError: It is neither, or nothing.
    """
    found = _size(text.strip())
    number, unit = (int(found[1]), found[2].upper()) if found else (0, "")
    if not number or (unit and unit not in _UNITS):
        words = "expected images or bytes, such as 1000 or 500MB"
        raise UsageError(f"--shard-size: {words}; got {text!r}")
    if not unit:
        return ShardSize(rows=number)
    return ShardSize(bytes=number * _UNITS[unit])
