"""Starts commands as forks of a process that has imported them already.

To start an interpreter and to import a command takes longer than most commands do. A
fork of one that stands ready takes a hundredth of it, and is a process all the same:
with a folder, an environment, an output and an exit code of its own. Run as a program,
this is the one that stands ready.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import msgspec

import batcher

LIFE = 100
"""Seconds after which a command dies of SIGALRM: less than a test may take."""

LONG_LIFE = 3600
"""The same for servers, which a benchmark needs for longer."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be started."""

    arguments: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    stdout: str
    stderr: str
    life: int


class Child:
    """A command that was started.

    Attributes:
        pid: Its process.
        stdout: What it prints.
        stderr: What it says beside that.
    """

    def __init__(self, nursery: Nursery, pid: int, order: Order) -> None:
        self._nursery = nursery
        self.pid = pid
        self.stdout, self.stderr = Path(order.stdout), Path(order.stderr)

    def wait(self) -> int:
        """Wait for its end; give its exit code, once."""
        return self._nursery.ask(self.pid)


class Nursery:
    """Has commands started, and waits for them."""

    def __init__(self) -> None:
        self._streams = TemporaryDirectory()
        self._asked = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.nursery"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self._close)

    def start(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        *,
        life: int = LIFE,
    ) -> Child:
        """Start a command."""
        stem = f"{self._streams.name}/{self._asked}"
        order = Order(
            arguments=arguments,
            folder=str(folder),
            environment=environment,
            stdout=f"{stem}.out",
            stderr=f"{stem}.err",
            life=life,
        )
        for path in (order.stdout, order.stderr):
            Path(path).touch()
        return Child(self, self.ask(order), order)

    def ask(self, what: Order | int) -> int:
        """Have a command started, or a process waited for."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked += 1
        self._process.stdin.write(msgspec.json.encode((self._asked, what)) + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            number, answer = map(int, line.split())
            if number == self._asked:  # another's asker was interrupted
                return answer
        raise EOFError("the process that forks commands has died")

    def _close(self) -> None:
        self._process.communicate()
        self._streams.cleanup()


@cache
def nursery() -> Nursery:
    """Give the one of this process, started when it is first asked for."""
    return Nursery()


def obey(order: Order) -> NoReturn:
    """Become the command that was ordered."""
    for number, path in enumerate((os.devnull, order.stdout, order.stderr)):
        os.dup2(os.open(path, os.O_WRONLY if number else os.O_RDONLY), number)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv[1:] = order.arguments
    signal.alarm(order.life)
    runpy.run_module("batcher", run_name="__main__", alter_sys=True)
    raise AssertionError  # it exits


def main() -> None:
    """Start what is ordered, and tell its process; wait for those that are named."""
    for module in pkgutil.walk_packages(batcher.__path__, "batcher."):
        if module.name != "batcher.__main__":  # it is run, not imported
            importlib.import_module(module.name)
    gc.freeze()  # what a fork leaves alone need not be copied for it
    for line in sys.stdin.buffer:
        number, what = msgspec.json.decode(line, type=tuple[int, Order | int])
        if isinstance(what, int):
            _, status = os.waitpid(what, 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                obey(what)
        print(number, answer, flush=True)


if __name__ == "__main__":
    main()
