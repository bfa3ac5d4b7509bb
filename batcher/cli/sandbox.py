"""`batcher sandbox`: an images gateway on this machine, to rehearse against."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from batcher.cli.rehearsal import add_rehearsal, read_rehearsal
from batcher.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from batcher.sandbox import SandboxOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="0: a free one"
    )
    parser.add_argument("--key", default="sandbox", help="the key it accepts")
    parser.add_argument("--ipm", type=float, metavar="N", help="images a minute")
    parser.add_argument("--burst", type=int, default=10, metavar="N")
    parser.add_argument("--balance", type=float, metavar="USD", help="until it is gone")
    parser.add_argument(
        "--journal", type=Path, metavar="FILE", help="every POST, as JSON"
    )
    parser.add_argument("--list-faults", action="store_true", help="name them and stop")
    add_rehearsal(parser)


def execute(parsed: argparse.Namespace) -> int:
    """Serve until a signal."""
    from batcher.sandbox import list_faults  # noqa: PLC0415 - `--help` does without it

    if parsed.list_faults:
        print(list_faults())
        return 0
    options = read_rehearsal(
        parsed,
        port=parsed.port,
        key=parsed.key,
        ipm=parsed.ipm,
        burst=parsed.burst,
        balance_usd=parsed.balance,
        journal=parsed.journal,
    )
    try:
        return asyncio.run(_serve(options))
    except OSError as error:
        words = f"cannot listen on port {parsed.port}: {error.strerror}"
        raise UsageError(words) from error


async def _serve(options: SandboxOptions) -> int:
    from batcher.sandbox import serve  # noqa: PLC0415 - `--help` does without it

    task = asyncio.current_task()
    if task is not None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
    try:
        await serve(options, _announce)
    except asyncio.CancelledError:
        return 0
    return 0


def _announce(base_url: str) -> None:
    print(f"sandbox at {base_url}", flush=True)
    print(
        "try: BATCHER_API_KEY=sandbox batcher run MANIFEST"
        f" --base-url {base_url}   (Ctrl-C stops it)",
        flush=True,
    )
