"""The socket in a run directory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.errors import UsageError
from batcher.remote import SOCKET_NAME, Command, RemoteControl, send


def carry_out(command: Command) -> Mapping[str, object]:
    if command.name == "stop":
        raise UsageError("not now")
    return {"name": command.name, "value": command.value}


async def answered(folder: Path, line: bytes) -> bytes:
    """Say one line to a run, and read to the end."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_unix_connection(folder / SOCKET_NAME)
        writer.write(line)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def test_a_command_is_carried_out_and_answered(tmp_path: Path) -> None:
    async with RemoteControl(tmp_path, carry_out):
        command = Command(name="ipm", value=Decimal("0.5"))
        assert await asyncio.to_thread(send, tmp_path, command) == {
            "name": "ipm",
            "value": 0.5,
        }
        with pytest.raises(UsageError, match="not now"):
            await asyncio.to_thread(send, tmp_path, Command(name="stop"))
    with pytest.raises(UsageError, match="no run is going on"):
        send(tmp_path, Command(name="pause"))


@pytest.mark.parametrize(
    "line",
    [
        b'{"name": "concurrency", "value": 0}\n',
        b'{"name": "max-spend", "value": "nan"}\n',
        b'{"name": 1}\n',
        b"what?\n",
        b"\n",
    ],
)
async def test_a_line_that_is_no_command_is_answered_too(
    tmp_path: Path, line: bytes
) -> None:
    async with RemoteControl(tmp_path, carry_out):
        assert list(json.loads(await answered(tmp_path, line))) == ["error"]


async def test_a_line_without_an_end_is_hung_up_on(tmp_path: Path) -> None:
    async with RemoteControl(tmp_path, carry_out):
        assert await answered(tmp_path, b"x" * 5000) == b""
