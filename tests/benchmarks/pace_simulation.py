"""Simulate the governor against gateways with limits it is not told.

Prints, for each gateway, how much of its limit was used, how many requests it refused
for each image, and how long a change of the limit took to follow; then the cost of one
`ask` and `settle`. Nothing is sent and no time passes: the clock is a number.

    python -m tests.benchmarks.pace_simulation
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

import msgspec

from batcher.governor import Admission, Governor, Halt, Hold, Limits, Outcome
from batcher.models import ErrorClass, Failure

QUICK = 0.3
"""Seconds in which a gateway refuses."""


class Gateway(Protocol):
    """What decides whether a request is let in, and hears when it has ended."""

    def is_open(self, now: float) -> bool: ...
    def ended(self, now: float) -> None: ...


class BucketGateway:
    """A token bucket of `ipm` images a minute that holds `burst`."""

    def __init__(self, ipm: float, burst: float) -> None:
        self.ipm, self.burst, self.level, self.at = ipm, burst, burst, 0.0

    def is_open(self, now: float) -> bool:
        self.level += (now - self.at) * self.ipm / 60
        self.level, self.at = min(self.level, self.burst), now
        if self.level < 1 - 1e-9:
            return False
        self.level -= 1
        return True

    def ended(self, now: float) -> None:
        """Care for nothing but arrivals."""


class WindowGateway:
    """A sliding log: `ipm` in any minute, counted on arrival or when they succeed."""

    def __init__(self, ipm: int, *, counts_successes: bool = False) -> None:
        self.ipm, self.counts_successes = ipm, counts_successes
        self.log: deque[float] = deque()

    def is_open(self, now: float) -> bool:
        while self.log and self.log[0] <= now - 60:
            self.log.popleft()
        if len(self.log) >= self.ipm:
            return False
        if not self.counts_successes:
            self.log.append(now)
        return True

    def ended(self, now: float) -> None:
        if self.counts_successes:
            self.log.append(now)


class CrowdGateway:
    """At most `places` requests at once, however fast they come."""

    def __init__(self, places: int) -> None:
        self.places, self.busy = places, 0

    def is_open(self, now: float) -> bool:  # noqa: ARG002 - the protocol's
        if self.busy >= self.places:
            return False
        self.busy += 1
        return True

    def ended(self, now: float) -> None:  # noqa: ARG002 - the protocol's
        self.busy -= 1


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One simulation.

    Attributes:
        gateway: Makes the gateway.
        ipm: Images a minute that it can give, to compare with.
        limits: What the governor is told.
        images: How many to make.
        latency: Mean seconds of a success, spread evenly over ±`jitter` of it.
        jitter: As a share.
        retry_after: What refusals say.
        changes: At these times something happens to the gateway.
    """

    gateway: Callable[[], Gateway]
    ipm: float
    limits: Limits = Limits(concurrency=64)
    images: int = 2000
    latency: float = 0.5
    jitter: float = 0.1
    retry_after: float | None = None
    changes: tuple[tuple[float, Callable[[Gateway], None]], ...] = ()


class Course(msgspec.Struct, kw_only=True):
    """What happened: the times of admissions that were let in, ends and refusals."""

    let_in: list[float] = []
    ended: list[float] = []
    refused: list[float] = []
    governor: Governor

    def rate(self, start: float, end: float) -> float:
        """Give the images a minute let in between two times."""
        return sum(start <= at < end for at in self.let_in) * 60 / (end - start)


def simulate(scene: Scene, seed: int = 1) -> Course:
    """Run a scene to its end; the same seed gives the same course."""
    chance = random.Random(seed)
    governor = Governor(scene.limits, now=0.0, random=chance.random)
    gateway, course, order = scene.gateway(), Course(governor=governor), count()
    changes, unsent, begun = deque(scene.changes), scene.images, 0
    flying: list[tuple[float, int, Admission, bool]] = []
    now = 0.0
    while unsent or begun or flying:
        while changes and changes[0][0] <= now:
            changes.popleft()[1](gateway)
        verdict = None
        if unsent or begun:
            verdict = governor.ask(now, images=1, usd=None, again=begun > 0)
        if isinstance(verdict, Halt):
            break
        if isinstance(verdict, Admission):
            begun, unsent = begun - verdict.again, unsent - (not verdict.again)
            is_in = gateway.is_open(now)
            spread = scene.jitter * (2 * chance.random() - 1)
            lasts = scene.latency * (1 + spread) if is_in else QUICK
            heappush(flying, (now + lasts, next(order), verdict, is_in))
            continue
        until = verdict.until if isinstance(verdict, Hold) else None
        if until is not None and (not flying or until < flying[0][0]):
            now = until
            continue
        now, _, admission, is_in = heappop(flying)
        begun += land(scene, course, gateway, (now, admission, is_in))
    return course


def land(
    scene: Scene,
    course: Course,
    gateway: Gateway,
    landing: tuple[float, Admission, bool],
) -> int:
    """Settle one that ended, and give how many that leaves to do again."""
    now, admission, is_in = landing
    if is_in:
        gateway.ended(now)
        course.let_in.append(admission.at)
        course.ended.append(now)
        course.governor.settle(now, admission, Outcome(images=1))
        return 0
    course.refused.append(now)
    failure = Failure(
        error_class=ErrorClass.RATE_LIMITED,
        message="too many requests",
        retry_after=scene.retry_after,
    )
    course.governor.settle(now, admission, Outcome(failure=failure))
    return 1


def figures(scene: Scene, seeds: int = 5) -> tuple[float, float, float]:
    """Give the mean share of the limit used, refusals an image, and the time."""
    used = refused = seconds = 0.0
    for seed in range(seeds):
        course = simulate(scene, seed)
        duration = max(course.let_in) + 60 / scene.ipm
        used += len(course.ended) * 60 / scene.ipm / duration / seeds
        refused += len(course.refused) / len(course.ended) / seeds
        seconds += duration / seeds
    return used, refused, seconds


def scenes() -> dict[str, Scene]:
    """Give the scenes, by what the gateway does."""
    told = Limits(concurrency=64, ipm=900)

    def bucket(ipm: float = 900, burst: float = 10) -> Callable[[], Gateway]:
        return lambda: BucketGateway(ipm, burst)

    def window(ipm: int, *, late: bool = False) -> Callable[[], Gateway]:
        return lambda: WindowGateway(ipm, counts_successes=late)

    def crowd() -> Gateway:
        return CrowdGateway(4)

    found = {
        "bucket 900/min burst 10": Scene(gateway=bucket(), ipm=900),
        "... 20,000 images": Scene(gateway=bucket(), ipm=900, images=20_000),
        "... with Retry-After 1": Scene(gateway=bucket(), ipm=900, retry_after=1),
        "... told": Scene(gateway=bucket(), ipm=900, limits=told),
        "bucket 900/min burst 1": Scene(gateway=bucket(900, 1), ipm=900),
        "... 20,000 images ": Scene(gateway=bucket(900, 1), ipm=900, images=20_000),
        "... told ": Scene(gateway=bucket(900, 1), ipm=900, limits=told),
        "window 900/min": Scene(gateway=window(900), ipm=900, images=20_000),
        "window 900/min of successes": Scene(
            gateway=window(900, late=True), ipm=900, images=20_000
        ),
        "... told  ": Scene(gateway=window(900, late=True), ipm=900, limits=told),
        "4 at once, 30 s": Scene(gateway=crowd, ipm=8, latency=30, images=480),
        "4 at once, 18 to 42 s": Scene(
            gateway=crowd, ipm=8, latency=30, jitter=0.4, images=480
        ),
    }
    for ipm, images in ((5, 300), (60, 2000), (5000, 40_000)):
        for latency in (5, 60):
            places = Limits(concurrency=max(64, ipm * latency // 40))
            kinds = {
                f"bucket {ipm}/min burst {max(1, ipm // 60)}": bucket(
                    ipm, max(1, ipm // 60)
                ),
                f"window {ipm}/min": window(ipm),
                f"window {ipm}/min of successes": window(ipm, late=True),
            }
            for name, gateway in kinds.items():
                found[f"{name}, {latency} s"] = Scene(
                    gateway=gateway,
                    ipm=ipm,
                    limits=places,
                    images=images,
                    latency=latency,
                )
    return found


def adaptation(factor: float, seed: int) -> tuple[float, int]:
    """Give the seconds to follow a changed limit, and the refusals on the way.

    It is followed from when on, over ten seconds, 90 % of it is used and at most 2 %
    are refused.
    """

    def change(gateway: Gateway) -> None:
        if isinstance(gateway, BucketGateway):
            gateway.ipm *= factor

    scene = Scene(
        gateway=lambda: BucketGateway(900, 10),
        ipm=900,
        images=6000,
        changes=((120.0, change),),
    )
    course, after = simulate(scene, seed), 120.0
    while True:
        refused = sum(after <= at < after + 10 for at in course.refused)
        images = course.rate(after, after + 10) / 6
        if images >= 0.9 * 150 * factor and refused <= 0.02 * images:
            break
        after += 1.0
    return after - 120.0, sum(120.0 <= at < after for at in course.refused)


def overhead(rounds: int = 100_000) -> float:
    """Give the seconds that one `ask` and one `settle` take together."""
    governor = Governor(Limits(ipm=1e6), now=0.0, random=random.random)
    outcome = Outcome(images=1)
    started = time.perf_counter()
    for step in range(rounds):
        verdict = governor.ask(step * 0.1, images=1, usd=None)
        if isinstance(verdict, Admission):
            governor.settle(step * 0.1, verdict, outcome)
    return (time.perf_counter() - started) / rounds


def main() -> None:
    """Print the figures."""
    print(f"{'gateway':40} {'used':>7} {'refused':>8} {'seconds':>8}")
    for name, scene in scenes().items():
        used, refused, seconds = figures(scene)
        print(f"{name:40} {used:7.1%} {refused:8.2%} {seconds:8.0f}")
    for factor in (0.5, 2.0):
        each = [adaptation(factor, seed) for seed in range(5)]
        slowest, refused = max(each)
        print(f"limit x {factor}: followed within {slowest:.0f} s, {refused} refused")
    print(f"ask + settle: {overhead() * 1e6:.1f} µs")


if __name__ == "__main__":
    main()
