"""What a run says of itself in the ledger: its first line, and why it ended early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from batcher.canary import CANARY
from batcher.control import BY_HAND, INTERRUPTED
from batcher.ledger import event
from batcher.version import VERSION

if TYPE_CHECKING:
    from batcher.config import Endpoint
    from batcher.job import Job
    from batcher.models import Failure

SIGNALS = 128
"""Exit codes above it stand for signals (POSIX.1, Shell and Utilities, 2.8.2)."""

CRASHED = "crashed"
"""The `reason` in the last line of a run that an exception ended."""


def first_line(job: Job, endpoint: Endpoint, *, run: str) -> event.Run:
    """Make the line that opens a run.

    Args:
        job: What is to be done.
        endpoint: Where it is sent to.
        run: The run's id.
    """
    return event.Run(
        at=event.now(),
        run=run,
        batcher=VERSION,
        manifests=tuple(
            event.ManifestRecord(path=manifest.path, sha256=manifest.sha256)
            for manifest in job.expansion.manifests
        ),
        endpoint=event.EndpointRecord(name=endpoint.name, base_url=endpoint.base_url),
        settings=msgspec.structs.asdict(job.settings),
        total=job.plan.total,
        shard=job.shard or UNSET,
        orphans=job.accepts or UNSET,
    )


def why_stopped(
    failure: Failure | None, objection: str | None, exit_code: int | None
) -> dict[str, str] | None:
    """Say what stopped a run early: its class and message; None when nothing did.

    Args:
        failure: Why nothing leaves any more.
        objection: Why nothing follows the canary.
        exit_code: What a signal has it exit with.
    """
    if failure == BY_HAND:
        return {"class": INTERRUPTED, "message": failure.message}
    if failure is not None:
        return {"class": failure.error_class.value, "message": failure.message}
    if exit_code is not None:
        who = "a signal" if exit_code > SIGNALS else "the program that called it"
        return {"class": INTERRUPTED, "message": f"stopped by {who}"}
    return None if objection is None else {"class": CANARY, "message": objection}


def why_crashed(error: BaseException) -> dict[str, str]:
    """Say what an exception does to a run; its own words might hold anything."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, Exception):
        return {"class": INTERRUPTED, "message": "cancelled by the program around it"}
    return {"class": CRASHED, "message": f"ended by {type(error).__name__}"}
