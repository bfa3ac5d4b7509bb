"""`batcher plan`: check, count and price; sends nothing, writes nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batcher.cli.options import add_shared, make_job

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared(parser)
    parser.add_argument("--json", action="store_true", help="the plan as JSON")
    parser.add_argument(
        "--requests", action="store_true", help="the expanded list as JSON lines"
    )


def execute(parsed: argparse.Namespace) -> int:
    """Plan and print."""
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` does without
    from batcher.cli.words import plan_lines  # noqa: PLC0415
    from batcher.consent import changes_in  # noqa: PLC0415
    from batcher.forecast import run_seconds  # noqa: PLC0415

    job = make_job(parsed)
    for remark in job.remarks:
        print(f"warning: {remark}", file=sys.stderr)
    for place in job.reading.damaged:
        print(f"warning: {place} is damaged", file=sys.stderr)
    if parsed.requests:
        for request in job.requests():
            print_json(
                {
                    "id": request.id,
                    "name": request.name,
                    "output": request.output,
                    "request": request.described(),
                    "vars": request.vars,
                    "origin": request.origin,
                }
            )
    elif parsed.json:
        print_json(job.plan)
    else:
        seconds = run_seconds(
            job.plan.busy_seconds,
            images=job.plan.images,
            requests=job.plan.to_send,
            concurrency=job.settings.concurrency,
            ipm=job.settings.ipm,
            rpm=job.settings.rpm,
        )
        is_estimate = job.endpoint is None or not job.endpoint.prices
        lines = plan_lines(
            job.plan,
            job.out,
            seconds,
            is_estimate=is_estimate,
            is_forced=job.options.force,
        )
        print("\n".join(lines))
        if job.plan.needs_consent and not job.options.accept_changes:
            print(f"{changes_in(job.plan)}; `run` will ask for --accept-changes")
    return 0
