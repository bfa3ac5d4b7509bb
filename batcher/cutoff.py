"""Notices a proxy that cuts long waits: failures that all come after the same time.

Pure. Sources of the times: nginx's `proxy_read_timeout` of 60 s, Cloudflare's 100 s
(524) and what users measured of it, 120 to 126 s; 180 s of Azure's SDK, 300 s of many.
"""

from __future__ import annotations

from collections import Counter

LIMITS = (
    (60.0, "nginx"),
    (100.0, "Cloudflare"),
    (123.0, "Cloudflare"),
    (180.0, "Azure"),
    (300.0, "a load balancer"),
)
"""Seconds after which a proxy cuts a silent connection, and whose habit it is."""

NEAR = 4.0
FEWEST = 3
SHARE = 0.8


class Cuts:
    """The times at which attempts were cut off."""

    def __init__(self) -> None:
        self._near: Counter[tuple[float, str]] = Counter()
        self._all = 0

    def note(self, seconds: float) -> None:
        """Note how long an attempt had lasted whose outcome is not known."""
        self._all += 1
        for limit in LIMITS:
            if abs(seconds - limit[0]) <= NEAR:
                self._near[limit] += 1

    def verdict(self) -> str | None:
        """Name the likely limit, once enough attempts were cut at the same time."""
        if not self._near:
            return None
        (seconds, owner), count = self._near.most_common(1)[0]
        if count < FEWEST or count < SHARE * self._all:
            return None
        return (
            f"{count} attempts were cut off after about {seconds:.0f} s: a proxy"
            f" before the gateway ({owner} is known for it) does not wait longer;"
            " ask for smaller or cheaper images, or go around it"
        )
