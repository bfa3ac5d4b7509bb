"""Stops sending when the gateway is down, and tries again on a schedule.

It opens when the last 10 requests failed because of the gateway's state (`overloaded`,
`server`, `connect`, in any mixture), or 80 % of the last 20 did within one minute. Only
the first attempt of a request counts among the failures, so that a few which fail again
and again are not taken for many. Outcomes that say nothing of that state (a 429, an
ambiguous one, a request that was never sent) count as neither. All of it can be counted
again from the ledger. The governor opens it for reasons of its own as well: a quota to
wait for, and `waste`.

While it is open one request at a time leaves as a probe: after 2 s, then after twice
as long each time, up to 5 minutes, and not sooner than the gateway asks, within what
the user is ready to wait. A probe that is answered, be it with a refusal of its
content, closes it, unless the governor says that it tells nothing. Where probes cost
money, as after `waste`, the first wait is longer.

It is given up when a probe fails after the longest outage; after a minute already while
nothing has come since the run began, as then the address is rather wrong than the
gateway down. Knows nothing of rates or money.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.models import ErrorClass, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Breaker"]

DOWN = frozenset({ErrorClass.OVERLOADED, ErrorClass.SERVER, ErrorClass.CONNECT})
"""Classes that speak of the gateway's state."""

SILENT = frozenset({ErrorClass.RATE_LIMITED, ErrorClass.AMBIGUOUS})
"""Classes that say nothing of it."""

ROW = 10
WINDOW = 20
WINDOW_FAILURES = 16
WINDOW_SECONDS = 60.0

FIRST_WAIT = 2.0
LONGEST_WAIT = 300.0
JITTER = 0.1

UNPROVEN = 60.0
"""Seconds of an outage, at most, while nothing has come yet."""

HINT = (
    "nothing has come from this gateway since the run began: look at --base-url, or at"
    " the gateway itself"
)


class Breaker:
    """Closed, or open for a reason with a time for the next probe.

    Attributes:
        longest_asked: Seconds that the gateway may put a probe off, at most.
        cause: The failure that keeps it open; None while it is closed.
        probe_at: When the next probe may leave.
        is_probing: A probe is in flight.
        is_proven: Something came since the run began, be it a refusal of its content.
    """

    def __init__(self, random: Callable[[], float], *, longest_asked: float) -> None:
        self.random = random
        self.longest_asked = longest_asked
        self.is_proven = False
        self.close()

    def close(self) -> None:
        """Let everything through, and count anew."""
        self.cause: Failure | None = None
        self.opened_at = 0.0
        self.probe_at = 0.0
        self.gap = FIRST_WAIT
        self.is_probing = False
        self.row = 0
        self.recent: deque[tuple[float, bool]] = deque(maxlen=WINDOW)

    def open(self, now: float, cause: Failure, *, wait: float = FIRST_WAIT) -> None:
        """Let nothing through but probes, the first one after `wait` seconds."""
        self.cause, self.opened_at, self.gap = cause, now, wait
        self.schedule(now)

    def schedule(self, now: float) -> None:
        """Set when the next probe may leave; jitter keeps shards of a run apart."""
        asked = 0.0 if self.cause is None else self.cause.retry_after or 0.0
        wait = self.gap * (1.0 + JITTER * self.random())
        self.probe_at = now + max(wait, min(asked, self.longest_asked))

    def note(self, now: float, failure: Failure | None, *, again: bool = False) -> None:
        """Count the outcome of an attempt that was sent and is no probe.

        Args:
            now: The time.
            failure: Why it failed, if it did.
            again: It was not the first attempt of its request.
        """
        if failure and failure.error_class in SILENT:
            return
        is_down = failure is not None and failure.error_class in DOWN
        self.is_proven = self.is_proven or not is_down
        if self.cause is not None or (is_down and again):
            return
        self.row = self.row + 1 if is_down else 0
        self.recent.append((now, is_down))
        if failure is not None and is_down and self.is_sustained(now):
            self.open(now, failure)

    def is_sustained(self, now: float) -> bool:
        """Tell whether what was counted is more than bad luck."""
        if self.row >= ROW:
            return True
        if len(self.recent) < WINDOW or now - self.recent[0][0] > WINDOW_SECONDS:
            return False
        return sum(is_down for _, is_down in self.recent) >= WINDOW_FAILURES

    def probed(
        self, now: float, failure: Failure | None, *, tells_nothing: bool = False
    ) -> None:
        """Take a probe's outcome: close, or wait longer for the next one.

        Args:
            now: The time.
            failure: Why it failed, if it did.
            tells_nothing: It says nothing of what keeps the breaker open, as when it
                was never sent, so another follows, which need not wait longer.
        """
        self.is_probing = False
        if failure and failure.error_class in DOWN | {ErrorClass.QUOTA}:
            self.cause = failure
            self.gap = min(self.gap * 2, LONGEST_WAIT)
            self.schedule(now)
        elif tells_nothing or (failure and failure.error_class in SILENT):
            self.schedule(now)
        else:
            self.is_proven = True
            self.close()

    def given_up(self, now: float, longest: float) -> Failure | None:
        """Give the failure to stop for, once it was open for `longest` seconds.

        Sooner while nothing has come. A quota that is waited for, because the user said
        so, has no such end.
        """
        if self.cause is None or self.cause.error_class is ErrorClass.QUOTA:
            return None
        most = longest if self.is_proven else min(longest, UNPROVEN)
        if now - self.opened_at < most:
            return None
        minutes = (now - self.opened_at) / 60
        message = f"no success for {minutes:.0f} min; the last: {self.cause.message}"
        if not self.is_proven:
            message = f"{message}; {HINT}"
        return replace(self.cause, message=message)
