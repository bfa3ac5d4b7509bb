"""`batcher watch`: the report's page, live."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batcher.watch import Watch

LARGEST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument(
        "--port", type=read_port, default=0, metavar="N", help="default: a free one"
    )


def execute(parsed: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from batcher.cli.folder import local_folder, open_run  # noqa: PLC0415 - `--help`

    words = "it cannot be followed live; `batcher report` makes a page of it"
    folder = local_folder(parsed.folder, words)
    open_run(parsed.folder)
    with suppress(KeyboardInterrupt), watching(folder, parsed.port) as watch:
        print("Ctrl-C ends it", file=sys.stderr, flush=True)
        watch.wait()
        return 1  # by itself it ends by an error, which was logged
    return 0


@contextmanager
def watching(folder: Path, port: int) -> Iterator[Watch]:
    """Serve a run directory's page while the block lasts, and say where.

    Raises:
        UsageError: The port is taken.
    """
    from batcher.watch import Watch  # noqa: PLC0415 - `--help` does without it

    with Watch(folder, port) as watch:
        print(f"watch (read only): {watch.look}", file=sys.stderr)
        print(f"watch and control: {watch.control}", file=sys.stderr, flush=True)
        yield watch


def read_port(text: str) -> int:
    """Read a port's number, as argparse wants it."""
    if text.isdecimal() and int(text) <= LARGEST_PORT:
        return int(text)
    words = f"expected a port up to {LARGEST_PORT}, got {text!r}"
    if not text.isdecimal():
        words += "; a manifest stands before --watch"
    raise argparse.ArgumentTypeError(words)
