"""Refuses a run that would surprise its user's purse, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.config import SANDBOX
from batcher.errors import UsageError
from batcher.plural import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.job import Job
    from batcher.plan import Plan


def check_consent(job: Job) -> None:
    """Check all that a run needs a person's word for; raises `UsageError`."""
    job.excerpt.check_size()
    for check in (_check_rehearsal, _check_changes, _check_budget):
        check(job)


def changes_in(plan: Plan) -> str:
    """Say what going on would buy though something like it was bought before."""
    anew, lacking = plan.changed + plan.lost, plan.orphaned - plan.accepted
    facts = {
        f"{counted(plan.changed, 'request')} changed": plan.changed,
        f"the manifest lacks {lacking:,} that the ledger has": lacking,
    }
    new = plan.new - plan.lost
    buys = {f"{anew:,} anew": anew, f"{new:,} new": new}
    return f"{_joined(facts)}: going on would buy {_joined(buys)}"


def _joined(words: Mapping[str, int]) -> str:
    """Join those words whose number is not 0."""
    return " and ".join(each for each, number in words.items() if number)


def _check_rehearsal(job: Job) -> None:
    """Keep drawings of the sandbox and images that cost money apart."""
    run = job.reading.standings.run
    if run is None or not run.endpoint or not len(job.reading.standings):
        return
    was_sandbox = run.endpoint.get("name") == SANDBOX
    is_sandbox = job.endpoint is not None and job.endpoint.name == SANDBOX
    if was_sandbox != is_sandbox:
        what = "a rehearsal on the sandbox" if was_sandbox else "real images"
        raise UsageError(f"{job.out!r} holds {what}; choose another --out")


def _check_changes(job: Job) -> None:
    plan = job.plan
    if plan.needs_consent and not job.options.accept_changes:
        raise UsageError(
            f"{changes_in(plan)}; look with `batcher plan`, then pass --accept-changes"
        )


def _check_budget(job: Job) -> None:
    if job.settings.max_spend is not None and job.plan.unpriced:
        raise UsageError(
            "--max-spend needs prices, and there is none for"
            f" {counted(job.plan.unpriced, 'request')}; set `prices` for this endpoint"
            " in batcher.toml"
        )
