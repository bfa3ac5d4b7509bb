"""Writes how many there are of something, for people."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Write a number and its noun: `1 request`, `1,200 requests`.

    Args:
        number: How many.
        noun: What, as one is called; several are called so with an `s`.
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
