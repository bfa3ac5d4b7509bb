"""Runs up to a million requests through the real scheduler, on a clock that jumps.

Gate, governor, worker, pool and ledger are the real ones, the ledger a real file; the
gateway takes half a minute of a clock that nobody waits for, and images are nothing.
Run it with `python -m tests.benchmarks.scale_simulation [MOST]`.
"""

from __future__ import annotations

import asyncio
import random
import resource
import selectors
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from batcher.choice import Choice
from batcher.gate import Gate
from batcher.governor import Governor, Limits
from batcher.images import Document, Properties
from batcher.images.verdict import Format
from batcher.ledger import LedgerWriter, event
from batcher.ledger.fold import Standings
from batcher.models import Failure, Request
from batcher.pool import LocalPool
from batcher.retry import Policy
from batcher.stores import Draft, Partial
from batcher.transport import Begin, Received
from batcher.transport.reply import Reply, ReplyImage
from batcher.worker import Terms, Worker

AT_ONCE = 64
LATENCY = 30.0
DRAFT = Draft(
    properties=Properties(format=Format.PNG, width=1024, height=1024),
    bytes=37_000,
    sha256="0" * 64,
)
REPLY = Reply(images=(ReplyImage(index=0, number=0),))


class JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: the clock jumps to where the wait would end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(0.0, timeout or 0.0)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that runs on a `JumpingSelector`'s clock."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class NoImage:
    """An image that was whole from the start; see `Partial`."""

    async def write(self, data: bytes) -> None:
        del data

    async def finish(self) -> Draft:
        return DRAFT

    async def embed(self, document: Document) -> Draft:
        del document
        return DRAFT

    async def keep(self, output: str) -> str:
        return f"{output}.png"

    async def discard(self) -> None:
        pass


class NoStore:
    """Keeps nothing; see `Store`."""

    def space(self) -> None:
        pass

    async def begin(self, id_: str, attempt: int, number: int) -> Partial:
        del id_, attempt, number
        return NoImage()

    async def recover(self, id_: str, attempt: int) -> Mapping[int, Partial]:
        del id_, attempt
        return {}

    @property
    def behind(self) -> int:
        return 0

    def settled(self, is_settled: Callable[[str], bool]) -> Sequence[str]:
        del is_settled
        return ()

    def sync(self) -> None:
        pass

    def forget(self, names: Sequence[str]) -> None:
        del names

    def close(self) -> None:
        pass


class Gateway:
    """Answers everything after half a minute, more or less; see `Transport`."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def along(self, route: str) -> Gateway:
        del route
        return self

    async def post(
        self,
        body: bytes,
        *,
        seconds: float,
        begin: Begin,
        may_leave: Callable[[], bool],
    ) -> Received:
        del body, seconds, may_leave
        await asyncio.sleep(LATENCY * self.chance.uniform(0.5, 1.5))
        return Received(outcome=REPLY, partials={0: await begin(0)}, latency=LATENCY)

    async def fetch(
        self, url: str, partial: Partial, *, seconds: float
    ) -> Failure | None:
        raise NotImplementedError


class Silence:
    """Watches and says nothing; see `Observer`."""

    def attempted(self, request: Request, attempt: int) -> None:
        pass

    def retrying(self, request: Request, failure: Failure, delay: float | None) -> None:
        pass

    def ended(self, request: Request, result: event.Result | None) -> None:
        pass


def requests(count: int) -> Iterator[Request]:
    """Make requests, as a manifest would."""
    for number in range(count):
        yield Request(
            id=f"{number * 0x9E3779B97F4A7C15 % 16**20:020x}",
            name=str(number),
            body={"model": "gpt-image-2-pro", "prompt": str(number), "size": "auto"},
            vars={},
            output=str(number),
            origin="manifest.csv:1",
        )


async def live(count: int, folder: Path) -> None:
    """Do a run of so many requests."""
    chance = random.Random(1)
    clock = asyncio.get_running_loop().time
    ledger = LedgerWriter(folder, Standings())
    limits = Limits(concurrency=AT_ONCE)
    gate = Gate(Governor(limits, now=clock(), random=chance.random), clock)
    worker = Worker(
        transport=Gateway(chance),
        store=NoStore(),
        ledger=ledger,
        gate=gate,
        terms=Terms(
            endpoint="none",
            prices=(),
            choice=Choice.of((), retry_unknown=True),
            policy=Policy(max_attempts=5),
        ),
        observer=Silence(),
    )
    pool = LocalPool(room=lambda: 2 * AT_ONCE, is_closed=lambda: gate.is_closed)
    await pool.run(requests(count), worker.live)
    ledger.close()


def main(most: int = 1_000_000) -> None:
    """Print the cost of a request, and the memory, for runs ever longer."""
    print(f"{'requests':>9} {'µs CPU each':>12} {'peak MB':>8} {'hours':>8}")
    count = 1000
    while count <= most:
        with (
            tempfile.TemporaryDirectory() as name,
            asyncio.Runner(loop_factory=JumpingLoop) as runner,
        ):
            started = time.process_time()
            runner.run(live(count, Path(name)))
            cost = (time.process_time() - started) / count * 1e6
            hours = runner.get_loop().time() / 3600
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(f"{count:9,} {cost:12.0f} {peak:8.0f} {hours:8.1f}", flush=True)
        count *= 10


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
