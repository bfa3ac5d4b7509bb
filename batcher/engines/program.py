"""Runs a shard's program on the machine of a worker, as a child of the worker.

Knows no cluster library. The child inherits the worker's environment, and that is the
only way a key comes to it: an errand, which the scheduler sees, holds none (promise
P7).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import msgspec

from batcher.engines.engine import COMMAND, Ended, Errand

__all__ = ["Program"]

LINES = 50
"""Lines of standard error that are kept."""

TAIL = 1 << 20
"""Bytes of an output that are looked at, from its end."""

KILL_AFTER = 10.0
"""Seconds to write down what was given up, and to let the lease go."""

_LEASH = str(Path(__file__).with_name("leash.py"))
_TERMINATED = 128 + signal.SIGTERM


class Program:
    """One run of a program, which other threads may end, even before it began.

    Args:
        command: What this machine's Python is started with, before the arguments.
        kill_after: Seconds between the second SIGTERM and SIGKILL.
    """

    def __init__(
        self, command: tuple[str, ...] = COMMAND, *, kill_after: float = KILL_AFTER
    ) -> None:
        self._command = command
        self._kill_after = kill_after
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_terminated = False

    def run(self, errand: Errand) -> Ended:
        """Run the program to its end; blocks.

        Raises:
            OSError: The child could not be started.
        """
        arguments = (*self._command, *errand.arguments)
        with TemporaryFile() as stdout, TemporaryFile() as stderr:
            with self._lock:
                if self._is_terminated:
                    return Ended(exit_code=_TERMINATED)
                self._child = child = _start(arguments, stdout, stderr)
            child.wait()
            return Ended(
                exit_code=child.returncode,
                stderr=tuple(_tail(stderr).splitlines()[-LINES:]),
                summary=_summary(_tail(stdout)),
            )

    def terminate(self) -> None:
        """Have the program let what is in flight come in, then end; once only."""
        with self._lock:
            is_first, self._is_terminated = not self._is_terminated, True
        if is_first:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Have the program give up what is in flight; kill it if it does not end."""
        self.terminate()
        self._signal(signal.SIGTERM)
        timer = threading.Timer(self._kill_after, self._signal, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, and SIGKILL to all that it started."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        if number is signal.SIGKILL:
            with suppress(ProcessLookupError):  # it ended this very moment
                os.killpg(child.pid, number)
        else:
            child.send_signal(number)


def _start(
    arguments: tuple[str, ...], stdout: IO[bytes], stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start Python in a process group of its own, out of reach of the terminal.

    It writes to files: were they pipes, the death of the worker would break them, and
    the program would stumble over its own last words while it comes to an end.
    """
    leash = (sys.executable, "-I", "-S", _LEASH, str(os.getpid()), sys.executable)
    return subprocess.Popen(  # noqa: S603 - this Python, told what by the driver
        (*leash, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def _tail(file: IO[bytes]) -> str:
    """Give the end of what was written."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
    return file.read().decode(errors="replace")


def _summary(printed: str) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(printed, type=dict[str, object])
    except msgspec.DecodeError:
        return None
