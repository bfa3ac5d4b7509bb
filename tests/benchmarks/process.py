"""Runs a whole process, and tells what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

PYTHON = sys.executable
BATCHER = (PYTHON, "-m", "batcher")


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has ended well.

    Attributes:
        seconds: From its start to its end.
        cpu: Seconds of processor time, the kernel's for it included.
        memory: MB resident at the peak.
        printed: What it wrote to standard output.
    """

    seconds: float
    cpu: float
    memory: float
    printed: str


def run(*command: str | Path) -> Ended:
    """Run a command to its end; one that fails ends the benchmark."""
    environment = os.environ | {"BATCHER_API_KEY": "none"}
    with tempfile.TemporaryFile("w+") as printed:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*map(str, command)],
            stdout=printed,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        printed.seek(0)
        return Ended(
            seconds=seconds,
            cpu=usage.ru_utime + usage.ru_stime,
            memory=usage.ru_maxrss * 1024 / 1e6,
            printed=printed.read(),
        )
