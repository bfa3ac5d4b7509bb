"""`batcher status`: what the ledger says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")


def execute(parsed: argparse.Namespace) -> int:
    """Read the ledger and print; reading never fails for what is in it."""
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` does without
    from batcher.cli.words import summary_lines  # noqa: PLC0415
    from batcher.plural import counted  # noqa: PLC0415
    from batcher.status import read_status  # noqa: PLC0415

    status = read_status(parsed.folder)
    for place in status.damaged:
        print(f"warning: {place} is damaged", file=sys.stderr)
    if parsed.json:
        print_json(status.summary)
    else:
        print("\n".join(summary_lines(status.summary)))
        begun, parts = status.shards or (0, 0)
        if begun < parts:
            these = "this is" if begun == 1 else "these are"
            rest = "the other has" if parts - begun == 1 else "the others have"
            print(f"{these} {begun} of {counted(parts, 'shard')}; {rest} not begun")
    return 0
