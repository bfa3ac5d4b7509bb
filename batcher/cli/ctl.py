"""`batcher ctl`: hands on a running night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR", help="where the run writes")
    parser.add_argument(
        "name",
        metavar="COMMAND",
        help="pause, resume, stop, status, concurrency N, ipm N, rpm N, max-spend USD",
    )
    parser.add_argument("value", nargs="?", metavar="N")
    parser.add_argument("--json", action="store_true", help="where it stands as JSON")


def execute(parsed: argparse.Namespace) -> int:
    """Send one command and print where the run stands."""
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` does without
    from batcher.remote import parse_command, send  # noqa: PLC0415

    reply = send(Path(parsed.folder), parse_command(parsed.name, parsed.value))
    if parsed.json:
        print_json(reply)
    else:
        for name, value in reply.items():
            print(f"{name.replace('_', ' '):<14} {'-' if value is None else value}")
    return 0
