"""How a sandbox is to behave, and how the command line says it."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from batcher.sandbox.faults import FaultRule


class SandboxOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be set on a sandbox.

    Attributes:
        port: Loopback port; 0 takes a free one.
        key: The key it accepts; None accepts any, or none.
        latency: Shortest and longest seconds until an image; drawn by the seed.
        faults: Which faults to play, and how often.
        seed: Decides every lot.
        ipm: Images a minute; None is no limit.
        burst: Images that may come at once after a pause, under `ipm`.
        retry_after: A refusal under `ipm` says when to come back.
        journal: File that gets a line for every POST's start and end.
        balance_usd: What may be spent; None is no limit.
        url_ttl: Seconds for which the URL of an image works.

    Raises:
        ValueError: A limit would let nothing through.
    """

    port: int = 0
    key: str | None = "sandbox"
    latency: tuple[float, float] = (0.0, 0.0)
    faults: tuple[FaultRule, ...] = ()
    seed: int = 0
    ipm: float | None = None
    burst: int = 10
    retry_after: bool = False
    journal: Path | None = None
    balance_usd: float | None = None
    url_ttl: float = 3600.0

    def __post_init__(self) -> None:
        if self.ipm is not None and not self.ipm > 0:
            raise ValueError(f"ipm is {self.ipm!r}: give a number above 0, or none")
        if self.burst < 1:
            raise ValueError(f"burst is {self.burst!r}: give 1 or more")


def parse_latency(text: str) -> tuple[float, float]:
    """Read `0.5` or `0.2-2` as seconds (`--latency`).

    Raises:
        ValueError: It is neither, or the range runs backwards.
    """
    shortest, dash, longest = text.partition("-")
    try:
        low = float(shortest)
        high = float(longest) if dash else low
    except ValueError:
        low = high = math.nan
    if not 0 <= low <= high < math.inf:
        raise ValueError(f"latency {text!r}: give seconds such as '0.5' or '0.2-2'")
    return low, high
