"""Configures logging: the only place that does."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batcher.json_text import to_json

if TYPE_CHECKING:
    from typing import TextIO


def configure(stream: TextIO, *, quiet: bool, as_json: bool) -> None:
    """Send the program's log to a stream.

    Args:
        stream: Where it goes.
        quiet: Only what is wrong.
        as_json: One JSON object per line, for programs.
    """
    # What no line shows need not be found out (logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - documented there
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter())
    root = logging.getLogger("batcher")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.WARNING if quiet else logging.INFO)


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `at`, `level`, `message` and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode one record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return to_json(line).decode()
