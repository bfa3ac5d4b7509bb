"""Times commands that should answer at once, against Python's own start.

Run it with `python -m tests.benchmarks.startup`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from batcher.ledger import event
from batcher.ledger.fold import Standings
from batcher.ledger.writer import LedgerWriter
from tests.benchmarks.process import BATCHER, PYTHON, run

ROUNDS = 15
HELP_NEEDS = "import argparse"
STATUS_NEEDS = "import argparse, msgspec, decimal, pathlib"


def main() -> None:
    """Print the medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger = LedgerWriter(folder, Standings())
        for number in range(100):
            ledger.append(event.Attempt(at=event.now(), id=f"{number:020}", attempt=1))
        ledger.close()
        commands: dict[str, tuple[str | Path, ...]] = {
            "python -c pass": (PYTHON, "-c", "pass"),
            HELP_NEEDS: (PYTHON, "-c", HELP_NEEDS),
            "batcher --help": (*BATCHER, "--help"),
            STATUS_NEEDS: (PYTHON, "-c", STATUS_NEEDS),
            "batcher status": (*BATCHER, "status", folder),
        }
        for title, command in commands.items():
            seconds = median(run(*command).seconds for _ in range(ROUNDS))
            print(f"{title:45} {seconds * 1000:6.0f} ms")


if __name__ == "__main__":
    main()
