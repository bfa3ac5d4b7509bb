"""The bytes of an image as they come, and the ways to wait for more of them."""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")
Wait: TypeAlias = Generator[None, None, _T]
"""Suspends whenever the piece at hand is used up; returns a `_T`."""


class Source:
    """The piece at hand and the place in it.

    `at` may lie beyond the piece: so many bytes of the next ones are passed over. A
    walker may thus skip by adding to it.
    """

    def __init__(self) -> None:
        self.data = memoryview(b"")
        self.at = 0

    def open(self, data: bytes | memoryview) -> None:
        """Put the next piece at hand."""
        self.data = memoryview(data)

    def close(self) -> None:
        """Let go of the piece, remembering how far it was overshot."""
        self.at -= len(self.data)
        self.data = memoryview(b"")

    def take(self, count: int) -> Wait[bytes]:
        """Read exactly `count` bytes, few enough to hold."""
        taken = bytes(self.data[self.at : self.at + count])
        self.at += len(taken)
        while len(taken) < count:
            yield
            rest = bytes(self.data[self.at : self.at + count - len(taken)])
            self.at += len(rest)
            taken += rest
        return taken

    def checksum(self, count: int, crc: int) -> Wait[int]:
        """Pass over `count` bytes, continuing their CRC-32."""
        while True:
            end = min(self.at + count, len(self.data))
            crc = zlib.crc32(self.data[self.at : end], crc)
            count -= end - self.at
            self.at = end
            if not count:
                return crc
            yield

    def reach(self) -> Wait[None]:
        """Wait until everything passed over has really come."""
        while self.at > len(self.data):
            yield
