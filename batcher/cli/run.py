"""`batcher run`: generate; run it again to resume."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from batcher.cli.options import add_shared, make_job
from batcher.cli.rehearsal import add_rehearsal, read_rehearsal

if TYPE_CHECKING:
    import argparse

    from batcher.cli.progress import Display
    from batcher.job import Job
    from batcher.models import Summary
    from batcher.sandbox import SandboxOptions

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared(parser)
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--quiet", action="store_true", help="only what goes wrong")
    parser.add_argument("--log-format", choices=("text", "json"), help="no panel")
    add_rehearsal(parser)


def execute(parsed: argparse.Namespace) -> int:
    """Run, show progress on standard error, print the summary."""
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` does without
    from batcher.cli.progress import make_display  # noqa: PLC0415
    from batcher.cli.words import summary_lines  # noqa: PLC0415

    job = make_job(parsed)
    for remark in job.remarks:
        print(f"warning: {remark}", file=sys.stderr)
    for number in job.reading.damaged:
        print(f"warning: line {number} of the ledger is damaged", file=sys.stderr)
    display = make_display(sys.stderr, quiet=parsed.quiet, log_format=parsed.log_format)
    summary = asyncio.run(_run(job, display, read_rehearsal(parsed)))
    if parsed.json:
        print_json(summary)
    else:
        go_on = shlex.join(["batcher", *sys.argv[1:]])
        print("\n".join(summary_lines(summary, go_on)))
    return summary.exit_code


async def _run(job: Job, display: Display, sandbox: SandboxOptions) -> Summary:
    """Run with both signals turned into interruptions."""
    from batcher.runner import Control, execute  # noqa: PLC0415 - `--help` does without

    control = Control()
    loop = asyncio.get_running_loop()
    for number, code in SIGNALS.items():
        loop.add_signal_handler(number, control.interrupt, code)
    try:
        return await execute(job, display, control=control, sandbox=sandbox)
    finally:
        display.close()
