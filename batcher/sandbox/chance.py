"""Draws lots by hashing: the same question has the same answer, in any order."""

from __future__ import annotations

from hashlib import blake2b


def chance(*words: object) -> float:
    """Give a number in [0, 1) that depends on the words alone."""
    text = "\0".join(map(str, words)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big") / 2**48
