"""What a check finds of one file."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mark(StrEnum):
    """What a check found, in the symbols of `rclone check`."""

    MATCH = "="
    CORRUPT = "!"
    MISSING = "-"
    ORPHAN = "+"
    UNREADABLE = "?"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one file.

    Attributes:
        mark: What it is.
        path: Relative to the run directory, `/`-separated.
        id: The request that the ledger says it is of.
        message: What is wrong with it.
    """

    mark: Mark
    path: str
    id: str | None = None
    message: str = ""
