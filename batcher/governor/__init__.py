"""What decides when the next request may leave. Pure: the clock is a parameter."""

from batcher.governor.admission import Admission, Halt, Hold, Limits, Outcome, Snapshot
from batcher.governor.budget import Budget
from batcher.governor.governor import Governor
from batcher.governor.rotation import Account, Rotation, reasons
from batcher.governor.space import Space

__all__ = [
    "Account",
    "Admission",
    "Budget",
    "Governor",
    "Halt",
    "Hold",
    "Limits",
    "Outcome",
    "Rotation",
    "Snapshot",
    "Space",
    "reasons",
]
