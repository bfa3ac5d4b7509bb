"""Keeps some room on the disk for a ledger's last lines.

A disk that fills up is when the ledger has most to say: what was in flight, and where
the images are that are paid and still at their URLs.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 64 << 10  # bytes: some lines for each of dozens in flight
SHARE = 16  # a small disk's room is needed for what is to be kept


class Reserve:
    """Bytes that are on the disk until they are given up, in a file without a name.

    Args:
        folder: The run directory.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] | None = None
        with suppress(OSError):
            self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - kept open
            size = min(LARGEST, shutil.disk_usage(folder).free // SHARE)
            self._file.write(os.urandom(size))  # zeros might take no room

    def give_up(self) -> bool:
        """Make room; false when there is none to be made any more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        return file is not None
