"""Drives the command line and the sandbox as a user would: in processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.nursery import LONG_LIFE, nursery

BATCHER = (sys.executable, "-m", "batcher")
SECONDS = 60
"""Longest wait for anything that should happen at once."""
STARTED: list[subprocess.Popen[bytes]] = []
"""What a test has started; a failed one leaves it to the fixture that ends it."""


class Program:
    """The command line in one folder, without the user's own configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("BATCHER_") and not key.endswith("_API_KEY")
        } | {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "COVERAGE_PROCESS_START": "",
        }

    def __call__(
        self, *arguments: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        words = tuple(map(str, arguments))
        child = nursery().start(words, self.folder, self.environment | environment)
        return subprocess.CompletedProcess(
            words, child.wait(), child.stdout.read_text(), child.stderr.read_text()
        )

    def start(
        self, *arguments: str | Path, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a command as users do; what it prints goes to files."""
        with (
            (self.folder / "stdout.txt").open("wb") as stdout,
            (self.folder / "stderr.txt").open("wb") as stderr,
        ):
            process = subprocess.Popen(
                [*BATCHER, *map(str, arguments)],
                cwd=self.folder,
                env=self.environment | environment,
                stdout=stdout,
                stderr=stderr,
            )
        STARTED.append(process)
        return process

    def printed(self, stream: str = "stdout") -> str:
        """Give what the last started command has printed."""
        return (self.folder / f"{stream}.txt").read_text()

    def write(self, name: str, text: str) -> Path:
        """Write a file beside which commands run."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Gateway:
    """A sandbox in a process of its own."""

    def __init__(self, journal: Path, *flags: str) -> None:
        self.journal = journal
        words = ("sandbox", "--port", "0", "--journal", str(journal), *flags)
        self._child = nursery().start(
            words, journal.parent, dict(os.environ), life=LONG_LIFE
        )
        wait_until(lambda: "\n" in self._printed())
        self.base_url = self._printed().splitlines()[0].split()[-1]

    def stop(self) -> None:
        os.kill(self._child.pid, signal.SIGTERM)
        self._child.wait()

    def _printed(self) -> str:
        return self._child.stdout.read_text()

    def posts(self) -> list[dict[str, object]]:
        """Every POST it has seen."""
        return [line for line in read_lines(self.journal) if line["event"] == "post"]


def read_lines(path: Path) -> list[dict[str, object]]:
    """Read JSON lines, the last one only if it is whole."""
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def events(folder: Path, name: str) -> list[dict[str, object]]:
    """Read a run directory's events of one name."""
    lines = read_lines(folder / "ledger.jsonl")
    return [line for line in lines if line["event"] == name]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for another process to get somewhere."""
    limit = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)


def count_by(lines: list[dict[str, object]], field: str) -> Counter[object]:
    return Counter(line[field] for line in lines)
