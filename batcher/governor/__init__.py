"""What decides when the next request may leave. Pure: the clock is a parameter."""

from batcher.governor.admission import Admission, Halt, Hold, Limits, Outcome, Standing
from batcher.governor.governor import Governor

__all__ = ["Admission", "Governor", "Halt", "Hold", "Limits", "Outcome", "Standing"]
