"""What an observer may look at while a run of one process goes on, see `FleetView`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from batcher.count import Count
from batcher.gate import Gate
from batcher.governor import Snapshot, reasons
from batcher.job import Job

if TYPE_CHECKING:
    from decimal import Decimal


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """What an observer may look at while a run goes on.

    Attributes:
        job: The run.
        count: Requests by where they stand.
        gate: Where requests wait, and its governor.
        clock: Monotonic seconds, the governor's.
    """

    job: Job
    count: Count
    gate: Gate
    clock: Callable[[], float]

    def snapshot(self) -> Snapshot:
        """Tell the pace and the money."""
        return self.gate.governor.snapshot(self.clock())

    @property
    def max_spend(self) -> Decimal | None:
        """Give the USD that the run directory may cost."""
        return self.gate.governor.limits.max_spend

    def remark(self) -> str:
        """Say which routes were left out, if any."""
        dropped = reasons(self.gate.governor.dropped)
        return f"left out: {dropped}" if dropped else ""
