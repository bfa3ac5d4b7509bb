"""Prints values as JSON on standard output."""

from __future__ import annotations

from batcher.json_text import to_json


def print_json(value: object) -> None:
    """Print one JSON value and a newline."""
    print(to_json(value).decode())
