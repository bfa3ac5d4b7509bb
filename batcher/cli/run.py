"""`batcher run`: generate; run it again to resume."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from batcher.canary import CANARY
from batcher.cli.options import add_shared, make_job
from batcher.cli.rehearsal import (
    add_rehearsal,
    check_rehearsal,
    is_rehearsal,
    read_rehearsal,
)
from batcher.cli.watch import read_port, watching
from batcher.cli.words import unknown_lines, usd
from batcher.errors import UsageError
from batcher.plural import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from batcher.cli.progress import Display
    from batcher.job import Job
    from batcher.models import Summary
    from batcher.sandbox import SandboxOptions

STOPPED = 3
"""Exit code of a run that stopped early and can go on (README, Exit codes)."""
ENDED = (0, 1)
"""Exit codes of a run that came to its end (README, Exit codes)."""
YOUNG = 10_000
"""New objects before the collector looks for cycles; Python's 700 are one request's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared(parser)
    show = parser.add_argument_group("what to show and tell")
    show.add_argument("--json", action="store_true", help="the summary as JSON")
    show.add_argument("--quiet", action="store_true", help="only what goes wrong")
    show.add_argument("--log-format", choices=("text", "json"), help="no panel")
    show.add_argument("--on-end", metavar="COMMAND", help="gets the summary on stdin")
    show.add_argument("--webhook", metavar="URL", help="gets the summary as a POST")
    show.add_argument(
        "--watch",
        nargs="?",
        type=read_port,
        const=0,
        metavar="PORT",
        help="the report's page, live; by default at a free port",
    )
    first = parser.add_argument_group("before everything")
    first.add_argument(
        "--check",
        action="store_true",
        help="ask the gateway for model and balance",
    )
    first.add_argument(
        "--canary", type=int, metavar="K", help="do K first, and ask before the rest"
    )
    first.add_argument("--yes", action="store_true", help="go on after the canary")
    add_rehearsal(parser)


def execute(parsed: argparse.Namespace) -> int:
    """Run, show progress on standard error, print the summary."""
    from batcher.notice import checked_webhook  # noqa: PLC0415 - `--help` without

    if parsed.webhook is not None:
        checked_webhook(parsed.webhook)
    job = make_job(parsed)
    check_rehearsal(parsed, job)
    _warn(job)
    if parsed.check:
        return _check(job)
    if job.options.engine != "local":
        from batcher.cli.fleet import run_fleet  # noqa: PLC0415 - most runs do without

        return _tell(run_fleet(job, parsed), job, parsed)
    if parsed.canary is not None:
        _check_canary(job, parsed)
    with _watched(job, parsed):
        summary = _run(job, parsed)
    return _tell(summary, job, parsed)


@contextmanager
def _watched(job: Job, parsed: argparse.Namespace) -> Iterator[None]:
    """Serve the page beside the run, if asked to."""
    if parsed.watch is None:
        yield
        return
    if job.folder is None:
        raise UsageError("--watch follows a folder; in an object store use `status`")
    with watching(job.folder, parsed.watch):
        yield
    from batcher.cli.invocation import command  # noqa: PLC0415 - `--help` without

    words = f"the page has ended; see it again: {command('watch', job.out)}"
    with suppress(OSError):  # its terminal was closed
        print(words, file=sys.stderr)


def _warn(job: Job) -> None:
    from batcher.cli.folder import is_busy  # noqa: PLC0415 - `--help` does without

    for remark in job.remarks:
        print(f"warning: {remark}", file=sys.stderr)
    for place in job.reading.damaged:
        print(f"warning: {place} is damaged", file=sys.stderr)
    if job.plan.lost:
        _warn_of_lost(job)
    # What others have sent is in flight; that they are at work, the run says itself.
    if job.plan.unknown and (job.is_shared or not is_busy(job.directory)):
        _warn_of_unknown(job)


def _warn_of_lost(job: Job) -> None:
    from batcher.cli.invocation import command  # noqa: PLC0415 - `--help` without

    again = "they are bought again"
    if job.plan.lost_usd is not None:
        again = f"about {usd(job.plan.lost_usd)} is spent again"
    files = f"files of {counted(job.plan.lost, 'request')}"
    names = command("list", job.out, "--where", "status=lost")
    print(
        f"warning: {files} bought before are gone or changed; {again}, unless you"
        f" stop and put them back; to see which: {names}",
        file=sys.stderr,
    )


def _warn_of_unknown(job: Job) -> None:
    from batcher.choice import Kind  # noqa: PLC0415 - `--help` does without
    from batcher.ledger import State  # noqa: PLC0415

    if job.is_shared:
        unknown = counted(job.plan.unknown, "request")
        print(
            f"note: {unknown} of this shard without an outcome yet;"
            " looked after once the shard is held here",
            file=sys.stderr,
        )
        return
    for line in unknown_lines(
        job.count.states[State.UNKNOWN],
        job.plan,
        is_sent_again=Kind.UNKNOWN in job.choice.kinds,
    ):
        print(line, file=sys.stderr)


def _check(job: Job) -> int:
    """Ask the gateway, for free, whether the run could go well."""
    from batcher.job import require_endpoint  # noqa: PLC0415 - `--help` without
    from batcher.transport.preflight import preflight  # noqa: PLC0415

    endpoint = require_endpoint(job)
    if endpoint.is_built_in:
        print("the sandbox starts inside the run, and is always ready")
        return 0
    key = next(iter(endpoint.keys(job.environment).values()))
    found = asyncio.run(preflight(endpoint.base_url, key))
    models = f"{endpoint.base_url}/models"
    if found.trouble is not None:
        print(f"no answer from {models}: {found.trouble}")
        return STOPPED
    remarks = found.remarks(endpoint.model, job.plan.worst_usd)
    lines = [*remarks]
    if found.unchecked is not None:
        why = f"{models}: {found.unchecked}"
        lines.append(f"the gateway answers; key and model are not checked: {why}")
    print("\n".join(lines or [f"{endpoint.name} is ready"]))
    return STOPPED if remarks else 0


async def _look_ahead(job: Job, display: Display) -> None:
    """Ask the gateway while the run begins, and warn of what it says."""
    from batcher.transport.preflight import preflight  # noqa: PLC0415 - see above

    endpoint = job.endpoint
    if endpoint is None or endpoint.is_built_in:
        return
    with suppress(UsageError):  # the run itself says what is wrong with a key
        key = next(iter(endpoint.keys(job.environment).values()))
        found = await preflight(endpoint.base_url, key)
        for remark in found.remarks(endpoint.model, job.plan.worst_usd):
            display.warn(remark)


def _check_canary(job: Job, parsed: argparse.Namespace) -> None:
    if parsed.canary < 1:
        raise UsageError(f"--canary: must be 1 or more, got {parsed.canary!r}")
    job.excerpt.check_size()


def _run(job: Job, parsed: argparse.Namespace) -> Summary:
    from batcher.cli.canary import TerminalCanary  # noqa: PLC0415 - `--help` without
    from batcher.cli.progress import make_display  # noqa: PLC0415

    display = make_display(sys.stderr, quiet=parsed.quiet, log_format=parsed.log_format)
    canary = None
    if parsed.canary is not None:
        first, agrees = parsed.canary, parsed.yes
        canary = TerminalCanary(first, job.plan, display, agrees=agrees)

    # What there is by now stays: the collector need not walk it again and again.
    gc.freeze()
    gc.set_threshold(YOUNG)

    async def run(sandbox: SandboxOptions | None) -> Summary:
        from batcher.cli.signals import attend_signals  # noqa: PLC0415
        from batcher.control import Control  # noqa: PLC0415
        from batcher.runner import execute  # noqa: PLC0415

        control = Control()
        attend_signals(control)
        preflight = asyncio.create_task(_look_ahead(job, display), name="preflight")
        try:
            return await execute(
                job, display, control=control, canary=canary, sandbox=sandbox
            )
        finally:
            preflight.cancel()
            display.close()

    return asyncio.run(run(read_rehearsal(parsed) if is_rehearsal(parsed) else None))


def _tell(summary: Summary, job: Job, parsed: argparse.Namespace) -> int:
    """Print the summary, and pass it on to whom the user named."""
    from batcher.cli.output import OutputError, give_up  # noqa: PLC0415

    untold = None
    try:
        _show(summary, job, parsed)
    except OutputError as error:
        untold = give_up(error)
    _pass_on(summary, parsed)
    # To a run that ended by itself, its summary is part of what was asked for.
    has_ended = summary.exit_code in ENDED
    return untold if untold is not None and has_ended else summary.exit_code


def _show(summary: Summary, job: Job, parsed: argparse.Namespace) -> None:
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` without
    from batcher.cli.invocation import way_on  # noqa: PLC0415
    from batcher.cli.words import summary_lines  # noqa: PLC0415

    if parsed.json:
        print_json(summary)
    else:
        agreed = ["--yes"] if _is_unasked(summary) else []
        go_on = way_on(agreed) if job.choice.finds_work(summary) else None
        lines = summary_lines(summary, go_on, is_forced=parsed.force)
        print("\n".join(lines))
    if sys.stdout is not None:
        sys.stdout.flush()


def _is_unasked(summary: Summary) -> bool:
    """Tell whether nobody was there to be asked after the canary."""
    is_canary = summary.stopped is not None and summary.stopped["class"] == CANARY
    return is_canary and not (sys.stdin.isatty() and sys.stderr.isatty())


def _pass_on(summary: Summary, parsed: argparse.Namespace) -> None:
    from batcher.notice import post_webhook, run_command  # noqa: PLC0415

    troubles = []
    if parsed.on_end is not None:
        troubles.append(run_command(parsed.on_end, summary))
    if parsed.webhook is not None:
        troubles.append(post_webhook(parsed.webhook, summary))
    for trouble in filter(None, troubles):
        with suppress(OSError):  # its terminal was closed
            print(f"warning: {trouble}", file=sys.stderr)
