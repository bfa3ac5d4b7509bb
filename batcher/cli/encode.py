"""Prints values as JSON on standard output."""

from __future__ import annotations

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode


def print_json(value: object) -> None:
    """Print one JSON value and a newline."""
    print(_encode(value).decode())
