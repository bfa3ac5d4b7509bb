"""What stands between a POST and its images: the pace and the money.

Pure: the clock is a parameter.
"""

from __future__ import annotations

import math

UNITS = 500_000
"""new-api's quota units in one dollar (§1.1)."""


class Bucket:
    """A token bucket of images.

    Args:
        ipm: Images a minute; None is no limit.
        burst: What it holds when full, as it is at the start.
    """

    def __init__(self, ipm: float | None, burst: int) -> None:
        self.ipm = ipm
        self.burst = burst
        self.level = float(self.burst)
        self.seen = -math.inf

    def take(self, images: int, *, now: float) -> float:
        """Let images through, or say in how many seconds they may come.

        More images than the bucket holds may pass when it is full, and are owed.

        Returns:
            0 when they passed; then, and only then, they were taken.
        """
        if self.ipm is None:
            return 0.0
        gained = (now - self.seen) * self.ipm / 60
        self.level = min(float(self.burst), self.level + gained)
        self.seen = now
        missing = min(images, self.burst) - self.level
        if missing > 1e-9:
            return missing * 60 / self.ipm
        self.level -= images
        return 0.0


class Wallet:
    """An account in whole micro-dollars.

    Attributes:
        granted: What was paid in; None is no limit.
        used: What was charged, or is reserved for work in flight.
    """

    def __init__(self, balance_usd: float | None) -> None:
        self.granted = None if balance_usd is None else round(balance_usd * 1_000_000)
        self.used = 0

    def reserve(self, cost: int) -> bool:
        """Set money aside before the work, if there is enough (§2.5)."""
        if self.granted is not None and self.used + cost > self.granted:
            return False
        self.used += cost
        return True

    def refund(self, cost: int) -> None:
        """Give back what was set aside for nothing."""
        self.used -= cost

    def quota(self) -> dict[str, object]:
        """Describe the account as new-api's `/api/usage/token/` does (§1.1)."""
        used = self.used * UNITS // 1_000_000
        granted = used if self.granted is None else self.granted * UNITS // 1_000_000
        return {
            "object": "token_usage",
            "name": "sandbox",
            "total_granted": granted,
            "total_used": used,
            "total_available": granted - used,
            "unlimited_quota": self.granted is None,
            "model_limits": {},
            "model_limits_enabled": False,
            "expires_at": 0,
        }
