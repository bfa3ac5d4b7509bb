"""Carries out what a user tells a running run: by signal, or by a command.

Knows nothing of signals or sockets themselves, see `cli` and `remote`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import to_builtins
from msgspec.structs import replace

from batcher.errors import StoreError, UsageError
from batcher.governor import reasons
from batcher.ledger import State, event
from batcher.models import ErrorClass, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batcher.count import Count
    from batcher.gate import Gate
    from batcher.governor import Governor, Limits, Rotation, Snapshot
    from batcher.ledger import Ledger
    from batcher.remote import Command


BY_HAND = Failure(
    error_class=ErrorClass.CONFIG, message="stopped by hand; the same command goes on"
)
"""Why a run ends that was told to; its summary calls it `interrupted`."""

INTERRUPTED = "interrupted"
"""What a summary says stopped a run that somebody wanted to end: `stopped.class`."""


class Control:
    """Interrupts a run from outside: once to drain, twice to cancel.

    Attributes:
        exit_code: What the run is to exit with, once it was interrupted.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._drain: Callable[[], None] | None = None
        self._abort: Callable[[], None] | None = None

    def interrupt(self, exit_code: int) -> None:
        """Let what is in flight finish; the second time, cancel it."""
        if self.exit_code is None:
            self.exit_code = exit_code
            if self._drain is not None:
                self._drain()
        elif self._abort is not None:
            abort, self._abort = self._abort, None
            abort()

    def hang_up(self, exit_code: int) -> None:
        """Let what is in flight finish, however often it is told."""
        if self.exit_code is None:
            self.interrupt(exit_code)

    def attach(self, drain: Callable[[], None], abort: Callable[[], None]) -> None:
        """Say what the interruptions do; an earlier one is made up for."""
        self._drain, self._abort = drain, abort
        if self.exit_code is not None:
            drain()


class Desk:
    """Carries out commands while a run goes on; each change is in the ledger.

    Args:
        gate: Where requests wait.
        count: Requests by where they stand.
        ledger: Where changes are written down.
        clock: Monotonic seconds, the governor's.
        stop: Drains the run, for a reason.
        notice: Has everyone who waits look anew.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        count: Count,
        ledger: Ledger,
        clock: Callable[[], float],
        stop: Callable[[Failure], None],
        notice: Callable[[], None],
    ) -> None:
        self._gate = gate
        self._count = count
        self._ledger = ledger
        self._clock = clock
        self._stop = stop
        self._notice = notice

    def handle(self, command: Command) -> Mapping[str, object]:
        """Carry out a command and say where the run stands.

        Raises:
            UsageError: The run does not take it.
        """
        if command.name != "status":
            _STEPS.get(command.name, _change)(self, command)
            self._write(command)
            self._notice()
        return self.standing()

    def _write(self, command: Command) -> None:
        """Write a change down; a ledger that refuses stops the run."""
        line = event.Control(at=event.now(), command=command.name, value=command.value)
        try:
            self._ledger.append(line)
        except StoreError as error:
            self._stop(Failure(error_class=ErrorClass.STORE, message=str(error)))

    def standing(self) -> dict[str, object]:
        """Say where the run stands."""
        governor = self._gate.governor
        dropped = reasons(governor.dropped)
        return described(self._count, governor.snapshot(self._clock()), dropped)

    @property
    def governor(self) -> Governor | Rotation:
        """The governor that commands change."""
        return self._gate.governor

    def now(self) -> float:
        """Give the governor's time."""
        return self._clock()

    def stop(self) -> None:
        """Let what is in flight finish, then end."""
        self._stop(BY_HAND)


def _change(desk: Desk, command: Command) -> None:
    """Change one limit."""
    limits = desk.governor.limits
    desk.governor.change(desk.now(), changed(limits, command))


def described(count: Count, snapshot: Snapshot, left_out: str) -> dict[str, object]:
    """Say where a run stands, of one worker or of many: requests, pace, money."""
    states = {state.value: count.states[state] for state in State}
    pace = to_builtins(snapshot, builtin_types=(Decimal,))
    return {**states, **pace, "left_out": left_out or None}


def changed(limits: Limits, command: Command) -> Limits:
    """Give the limits after a command; raises `UsageError` for one about none."""
    if command.value is None:
        raise UsageError(f"{command.name} takes a number")
    if command.name == "concurrency":
        return replace(limits, concurrency=int(command.value))
    if command.name == "max-spend":
        return replace(limits, max_spend=command.value)
    if command.name in ("ipm", "rpm"):
        return replace(limits, **{command.name: float(command.value) or None})
    raise UsageError(f"there is no command {command.name!r}")


_STEPS: Mapping[str, Callable[[Desk, Command], None]] = {
    "pause": lambda desk, _: desk.governor.pause(),
    "resume": lambda desk, _: desk.governor.resume(desk.now()),
    "stop": lambda desk, _: desk.stop(),
}
