"""`batcher compact`: rewrite a long ledger, losslessly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="lines and bytes as JSON")


def execute(parsed: argparse.Namespace) -> int:
    """Rewrite the ledger and say what became of it."""
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` does without
    from batcher.cli.folder import (  # noqa: PLC0415
        check_idle,
        local_folder,
        open_run,
    )
    from batcher.ledger import compact_ledger, lock_folder  # noqa: PLC0415
    from batcher.plural import counted  # noqa: PLC0415

    folder = local_folder(
        parsed.folder,
        "there a ledger cannot be replaced at one instant; copy it to a folder first",
    )
    directory = open_run(parsed.folder)
    lock = lock_folder(folder)
    try:
        # Whoever wants to join them needs the lock, so they stay away.
        check_idle(directory)
        done = compact_ledger(folder, is_live=lambda: False)
    finally:
        lock.release()
    if parsed.json:
        print_json(done)
    elif done.kept_as is None and not done.merged:
        print(f"nothing to leave out of {counted(done.lines_before, 'line')}")
    else:
        print(
            f"{counted(done.lines_before, 'line')} became {done.lines_after:,}, "
            f"{done.bytes_before:,} bytes {done.bytes_after:,}"
            + (f", {counted(done.merged, 'segment')} one file" if done.merged else "")
            + (f"; the old ledger is kept as {done.kept_as}" if done.kept_as else "")
        )
    return 0
