"""Shows on a terminal how many requests were checked, where that takes its time."""

from __future__ import annotations

import os
from itertools import chain, islice
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from batcher.models import Request

FEW = 20_000
"""Requests that are checked in the blink of an eye: nothing is shown, or loaded."""

SECONDS = 0.3
"""Between two looks at the count."""


def checking(
    parsed: argparse.Namespace, stream: TextIO | None
) -> Callable[[Iterator[Request]], Iterator[Request]]:
    """Choose what passes requests on while they are checked.

    Args:
        parsed: The flags of `run` or `plan`.
        stream: Standard error; None where it is closed. What is no terminal is told
            nothing.
    """
    if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return iter
    if getattr(parsed, "quiet", False) or getattr(parsed, "log_format", None):
        return iter
    return lambda requests: counted_aloud(requests, stream)


def counted_aloud(requests: Iterator[Request], stream: TextIO) -> Iterator[Request]:
    """Pass requests on, and show how many; at the end nothing is left of it."""
    yield from islice(requests, FEW)
    following = next(requests, None)
    if following is None:
        return
    from tqdm import tqdm  # noqa: PLC0415 - few manifests are so long

    yield from tqdm(
        chain((following,), requests),
        desc="checking",
        unit=" requests",
        initial=FEW,
        mininterval=SECONDS,
        leave=False,
        dynamic_ncols=True,
        file=stream,
    )
