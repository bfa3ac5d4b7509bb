"""Standard output that tells its own failures from those of the work."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

UNWRITTEN = 3
"""Exit code where the disk, or a closed terminal, did not take what was to be said."""

READER_GONE = 141
"""Exit code where the reader has gone, as SIGPIPE gives it: 128 and the signal."""


class OutputError(Exception):
    """Standard output takes no more; its cause says why."""


class Output:
    """A text stream whose failures are `OutputError`; in all else the one it wraps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        with _told():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with _told():
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        """Be the stream in all else."""
        return getattr(self._stream, name)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(str(error)) from error


@contextmanager
def attended_output() -> Iterator[None]:
    """Have what is printed in here be written by its end, or raise `OutputError`."""
    # Without any, as where it was closed before the start, nothing is printed.
    if sys.stdout is None:
        yield
        return
    output = cast("TextIO", Output(sys.stdout))
    with redirect_stdout(output):
        try:
            yield
        finally:
            output.flush()


def give_up(error: OutputError) -> int:
    """Say why nothing more can be printed, and print no more; gives an exit code."""
    cause = error.__cause__
    # What is buffered yet must find a place when the interpreter ends.
    _discard(sys.stdout)
    if isinstance(cause, BrokenPipeError):
        return READER_GONE  # nothing is left to say to it
    words = cause.strerror if isinstance(cause, OSError) else error
    try:
        print(f"batcher: cannot write the output: {words}", file=sys.stderr)
    except OSError:
        _discard(sys.stderr)  # both were the terminal that is closed
    return UNWRITTEN


def _discard(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
