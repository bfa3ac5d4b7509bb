"""Opens the run directory that a command is about."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.ledger import FILE_NAME, read_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from batcher.ledger import Reading


def check_folder(folder: Path) -> None:
    """Make sure that there is a ledger; raises `UsageError`."""
    if not (folder / FILE_NAME).is_file():
        raise UsageError(f"there is no {FILE_NAME} in {str(folder)!r}")


def read_folder(folder: Path) -> Reading:
    """Read a run directory's ledger; lines that cannot be read are warned about.

    Raises:
        UsageError: There is no ledger.
        StoreError: It cannot be read.
    """
    check_folder(folder)
    reading = read_ledger(folder)
    for place in reading.damaged:
        print(f"warning: {place} is damaged", file=sys.stderr)
    return reading
