"""Hands on a running night: a socket in the run directory, one line in, one line out.

Only the directory's owner can open it. Both ends live here; what a command does is the
run's to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Self

import msgspec

from batcher.errors import UsageError
from batcher.json_text import to_json
from batcher.settings import LARGEST_NUMBER

if TYPE_CHECKING:
    from pathlib import Path

SOCKET_NAME = ".control"
LONGEST_LINE = 4096
REPLY_SECONDS = 10.0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a running run is told.

    Attributes:
        name: A key of `COMMANDS`.
        value: What it is told besides, for those that take something.

    Raises:
        ValueError: The value is none that the command takes.
    """

    name: str
    value: Decimal | None = None

    def __post_init__(self) -> None:
        if self.value is None or self.name not in WITH_VALUE:
            return
        is_whole = self.name == "concurrency"
        least, kind = (1, "a whole number") if is_whole else (0, "a number")
        # Asked first: what is no number has no whole part and cannot be compared.
        fits = self.value.is_finite() and least <= self.value <= LARGEST_NUMBER
        if not fits or (is_whole and self.value % 1):
            raise ValueError(
                f"{self.name}: expected {kind} from {least} to {LARGEST_NUMBER:,}, got"
                f" {str(self.value)!r}"
            )


Handler = Callable[[Command], Mapping[str, object]]
"""Carries a command out and says where the run stands; raises `UsageError`."""

COMMANDS: Mapping[str, str] = {
    "pause": "let nothing new leave",
    "resume": "go on",
    "stop": "let what is in flight finish, then end; resumable",
    "status": "say where it stands",
    "concurrency": "requests in flight at most",
    "ipm": "images a minute at most; 0 for no limit",
    "rpm": "requests a minute at most; 0 for no limit",
    "max-spend": "USD this run directory may cost in all",
}
"""Every command; the last four take a number."""

WITH_VALUE = frozenset({"concurrency", "ipm", "rpm", "max-spend"})


def parse_command(name: str, value: str | None) -> Command:
    """Read a command from words; raises `UsageError`."""
    if name not in COMMANDS:
        raise UsageError(f"expected one of {', '.join(COMMANDS)}, got {name!r}")
    if (name in WITH_VALUE) != (value is not None):
        takes = "takes a number" if name in WITH_VALUE else "takes no number"
        raise UsageError(f"{name} {takes}")
    if value is None:
        return Command(name=name)
    try:
        return Command(name=name, value=Decimal(value.removeprefix("$")))
    except InvalidOperation as error:
        raise UsageError(f"{name}: expected a number, got {value!r}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


class RemoteControl:
    """The run's end of the socket; an async context manager.

    Args:
        folder: The run directory, locked by this run.
        handler: Carries commands out, on the event loop.
    """

    def __init__(self, folder: Path, handler: Handler) -> None:
        self._folder = folder
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen; a folder that takes no sockets goes without."""
        (self._folder / SOCKET_NAME).unlink(missing_ok=True)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(self._folder) as address:
                before = os.umask(0o177)
                try:
                    made.bind(address)
                finally:
                    os.umask(before)
            self._server = await asyncio.start_unix_server(
                self._serve, sock=made, limit=LONGEST_LINE
            )
        except OSError:
            made.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        (self._folder / SOCKET_NAME).unlink(missing_ok=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            # A line that is too long is a `ValueError`.
            with contextlib.suppress(OSError, ValueError, TimeoutError):
                async with asyncio.timeout(REPLY_SECONDS):
                    line = await reader.readline()
                    writer.write(to_json(self._answer(line)) + b"\n")
                    await writer.drain()
        finally:
            writer.close()

    def _answer(self, line: bytes) -> Mapping[str, object]:
        try:
            return self._handler(msgspec.json.decode(line, type=Command))
        except (UsageError, msgspec.DecodeError) as error:
            return {"error": str(error)}


def send(folder: Path, command: Command) -> dict[str, object]:
    """Tell the run in a folder something; blocks until it answers.

    Raises:
        UsageError: No run listens there, or it refuses the command.
    """
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(REPLY_SECONDS)
            with _address(folder) as address:
                peer.connect(address)
            peer.sendall(to_json(command) + b"\n")
            while chunk := peer.recv(LONGEST_LINE):
                answer += chunk
        reply = msgspec.json.decode(answer, type=dict[str, object])
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"no run is going on in {str(folder)!r}") from error
    if "error" in reply:
        raise UsageError(str(reply["error"]))
    return reply


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Give the socket's address; a long path goes through its folder's descriptor.

    The kernel takes about 100 bytes (unix(7), `sun_path`).
    """
    path = str(folder / SOCKET_NAME)
    if len(path.encode()) < 100:
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
