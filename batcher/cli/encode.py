"""Prints values as JSON on standard output."""

from __future__ import annotations

import sys

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode


def print_json(value: object) -> None:
    """Print one JSON value and a newline."""
    sys.stdout.write(_encode(value).decode() + "\n")
