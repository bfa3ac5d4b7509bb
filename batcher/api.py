"""The Python API: the same options as the command line, typed.

`run` and `plan` do their work and give the result; inside a running event loop they
give it when awaited. A summary awaits to itself, so both read alike.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from batcher.control import Control
from batcher.driver import drive
from batcher.errors import UsageError
from batcher.job import Job
from batcher.options import Options
from batcher.runner import execute

if TYPE_CHECKING:
    from batcher.ledger.event import Result
    from batcher.models import Failure, Request, Summary
    from batcher.plan import Plan
    from batcher.run_view import RunView
    from batcher.sandbox import SandboxOptions

FAILED = 1
"""What a process exits with by an exception that nobody catches."""

Finished = TypeVar("Finished")
Manifests = str | Path | Sequence[str | Path]


def run(
    manifests: Manifests,
    *,
    on_result: Callable[[Request, Result | None], None] | None = None,
    control: Control | None = None,
    sandbox: SandboxOptions | None = None,
    **options: object,
) -> Summary:
    """Generate what manifests ask for; call it again to resume.

    Args:
        manifests: A manifest's path, or several.
        on_result: Is told each request that ended; None as a result means unknown.
            Not with an `engine`, whose workers are elsewhere. What it raises drains
            the run, for what is in flight is billed anyway, and is raised then.
        control: Interrupts the run from elsewhere.
        sandbox: How the sandbox behaves, for `endpoint="sandbox"`.
        **options: The command line's, with underscores: `out`, `endpoint`, `base_url`,
            `concurrency`, `ipm`, `rpm`, `timeout`, `max_attempts`, `max_spend`,
            `on_unknown`, `retry`, `first`, `sample`, `seed`, `shard`, `set`,
            `accept_changes`, `engine`, `scheduler`, `workers`, `shards`, and any other
            setting.

    Returns:
        What the run directory holds; inside a running loop, to be awaited.

    Raises:
        ManifestError: The manifest has mistakes; nothing was sent.
        UsageError: The run cannot start; nothing was sent.
    """
    if on_result is not None and (
        not callable(on_result) or iscoroutinefunction(on_result)
    ):
        raise UsageError(f"on_result: expected a plain function, got {on_result!r}")
    job = _job(manifests, options)
    if job.options.engine != "local":
        if on_result is not None:
            raise UsageError("on_result hears of the requests of this process alone")
        silence = _Silence()
        control = control or Control()
        work = drive(job, observer=silence, listener=silence, control=control)
        return _now_or_awaited(work)
    return _now_or_awaited(_execute(job, on_result, control or Control(), sandbox))


def plan(manifests: Manifests, **options: object) -> Plan:
    """Check, count and price what manifests ask for; sends and writes nothing.

    Args:
        manifests: A manifest's path, or several.
        **options: As for `run`.

    Raises:
        ManifestError: The manifest has mistakes.
        UsageError: An option is wrong.
    """
    return _job(manifests, options).plan


def _job(manifests: Manifests, options: Mapping[str, object]) -> Job:
    several = [manifests] if isinstance(manifests, str | Path) else manifests
    own = set(Options.__struct_fields__) - {"settings", "fields"}
    given = {k: v for k, v in options.items() if k in own and v is not None}
    retry = given.pop("retry", None) or ()
    if isinstance(retry, str):
        retry = retry.replace(" ", "").split(",")
    given["retry"] = tuple(cast("Sequence[str]", retry))
    for name in ("out", "sample", "shard"):
        if name in given:
            given[name] = str(given[name])
    fields = options.get("set") or {}
    settings = {
        k: v for k, v in options.items() if k not in own | {"set"} and v is not None
    }
    return Job(
        Options(
            manifests=tuple(str(path) for path in several),
            settings=settings,
            fields=cast("Mapping[str, object]", fields),
            **given,  # type: ignore[arg-type]  # checked by Job
        ),
        os.environ,
    )


async def _execute(
    job: Job,
    on_result: Callable[[Request, Result | None], None] | None,
    control: Control,
    sandbox: SandboxOptions | None,
) -> Summary:
    observer = _Callback(on_result, control)
    summary = await execute(job, observer, control=control, sandbox=sandbox)
    if observer.error is not None:
        raise observer.error
    return summary


def _now_or_awaited(work: Coroutine[object, object, Finished]) -> Finished:
    """Do the work; inside a running loop give it to be awaited."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return cast("Finished", work)


class _Callback:
    """An observer that passes ended requests on.

    Attributes:
        error: What its listener raised; it hears no more since.
    """

    def __init__(
        self,
        on_result: Callable[[Request, Result | None], None] | None,
        control: Control,
    ) -> None:
        self._on_result = on_result
        self._control = control
        self.error: BaseException | None = None

    def started(self, view: RunView) -> None:
        """Say nothing."""

    def attempted(self, request: Request, attempt: int) -> None:
        """Say nothing."""

    def retrying(self, request: Request, failure: Failure, delay: float | None) -> None:
        """Say nothing."""

    def draining(self, in_flight: int, failure: Failure | None = None) -> None:
        """Say nothing."""

    def ended(self, request: Request, result: Result | None) -> None:
        """Pass it on."""
        if self._on_result is None or self.error is not None:
            return
        try:
            self._on_result(request, result)
        except BaseException as error:  # noqa: BLE001 - raised once it is drained
            self.error = error
            self._control.interrupt(FAILED)


class _Silence:
    """Hears of a fleet and says nothing."""

    def started(self, view: object) -> None:
        """Say nothing."""

    def attempted(self, request: object, attempt: int) -> None:
        """Say nothing."""

    def retrying(self, request: object, failure: object, delay: float | None) -> None:
        """Say nothing."""

    def ended(self, request: object, result: object) -> None:
        """Say nothing."""

    def draining(self, in_flight: int, failure: object = None) -> None:
        """Say nothing."""

    def workers(self, number: int) -> None:
        """Say nothing."""

    def shard_began(self, part: int, tries: int) -> None:
        """Say nothing."""

    def shard_ended(self, outcome: object, delay: float | None) -> None:
        """Say nothing."""
