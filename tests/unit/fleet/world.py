"""Several workers on one directory, in a time that a seed decides.

Every operation takes a while, before and after it takes hold; some fail, whether or not
they took hold; and workers freeze at any moment, without their clocks. One thread runs
at a time, so a seed gives one history. What must never be is checked at every moment.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from batcher.errors import BatcherError, StoreError
from batcher.fleet import Lease, PurseTerms, Quota, Round
from tests.unit.fleet.memory import MemoryDirectory

TTL = 60.0
DEAREST = Decimal("1.00")
FLEET = Quota(ipm=120.0, rpm=60.0, max_spend=Decimal(30))


class Stopped(BaseException):
    """The world has ended."""


class World:
    """The time, the directory, the ledger, and who lives.

    Attributes:
        now: The true time, also the keeper's.
        ledger: USD by shard: what is known or may have been spent.
        sent: How many requests left.
    """

    def __init__(self, seed: int, *, trouble: float) -> None:
        self.random = random.Random(seed)
        self.trouble = trouble
        self.now = 1_000_000.0
        self.directory = MemoryDirectory(lambda: self.now)
        self.directory.hook = self._operate
        self.ledger: dict[tuple[int, int], Decimal] = {}
        self.sent = 0
        self.workers: list[Worker] = []
        self.error: BaseException | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._baton = threading.Semaphore(0)
        self._local = threading.local()
        self._threads: list[tuple[threading.Thread, threading.Semaphore]] = []
        self._is_over = False

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Have something done at a time."""
        self._number += 1
        heapq.heappush(self._events, (when, self._number, do))

    def start(self, worker: Worker, after: float) -> None:
        """Have a worker begin its life."""
        turn = threading.Semaphore(0)
        self.workers.append(worker)

        def live() -> None:
            self._local.turn, self._local.worker = turn, worker
            turn.acquire()
            try:
                if not self._is_over:
                    worker.live()
            except Stopped:
                pass
            except BaseException as error:  # noqa: BLE001 - given to the test
                self.error = error
            self._baton.release()

        thread = threading.Thread(target=live, daemon=True)
        self._threads.append((thread, turn))
        thread.start()
        self.at(self.now + after, lambda: self._resume(turn))

    def sleep(self, seconds: float) -> None:
        """Let others run for so long; called by workers."""
        turn, worker = self._local.turn, self._local.worker
        if self._is_over:
            raise Stopped
        if self.random.random() < self.trouble / 4:
            frozen = self.random.choice((5.0, 25.0, 40.0, 70.0, 300.0))
            worker.frozen_until = max(worker.frozen_until, self.now + frozen)
        self.at(self.now + seconds, lambda: self._wake(turn, worker))
        self._baton.release()
        turn.acquire()
        if self._is_over:
            raise Stopped

    def run(self, seconds: float) -> None:
        """Let time pass; raises what went wrong."""
        end = self.now + seconds
        try:
            while self._events and self._events[0][0] <= end and self.error is None:
                self.now, _, do = heapq.heappop(self._events)
                do()
                self._check()
        finally:
            self._is_over = True
            for thread, turn in self._threads:
                if thread.is_alive():
                    turn.release()
                    thread.join()
        if self.error is not None:
            raise self.error

    def _wake(self, turn: threading.Semaphore, worker: Worker) -> None:
        if worker.frozen_until > self.now:
            self.at(worker.frozen_until, lambda: self._wake(turn, worker))
        else:
            self._resume(turn)

    def _resume(self, turn: threading.Semaphore) -> None:
        turn.release()
        self._baton.acquire()

    def _operate(self, operation: str, do: Callable[[], object]) -> object:
        slow = self.random.random() < self.trouble
        delays = [self.random.expovariate(10.0) for _ in range(2)]
        if slow:
            delays[self.random.randrange(2)] = self.random.uniform(5.0, 45.0)
        fate = self.random.random()
        self.sleep(delays[0])
        if fate < self.trouble / 2:
            raise StoreError(f"no {operation}")
        answer = do()
        self.sleep(delays[1])
        if fate < self.trouble:
            raise StoreError(f"no answer to {operation}")
        return answer

    def _check(self) -> None:
        held = [each for each in self.workers if each.lease.is_held()]
        labels = [each.lease.label for each in held]
        assert len(labels) == len(set(labels)), "two hold one shard"
        able = [each for each in held if each.is_open]
        for field in ("ipm", "rpm"):
            rates = [getattr(each.round.quota, field) for each in able]
            assert sum(rates) <= getattr(FLEET, field) * (1 + 1e-9), field
        assert FLEET.max_spend is not None
        assert sum(self.ledger.values()) <= FLEET.max_spend, "the purse is passed"


class Worker:
    """One worker's life: it takes a shard, works, and ends well, or not at all."""

    def __init__(
        self, world: World, shard: tuple[int, int], *, seconds: float, crashes: bool
    ) -> None:
        self.world = world
        self.shard = shard
        self.frozen_until = 0.0
        self.is_open = False
        self.sent_at: list[float] = []
        self._left = seconds
        self._crashes = crashes
        skew = world.random.uniform(0.99, 1.01)
        self.lease = Lease(
            world.directory, shard, ttl=TTL, clock=lambda: world.now * skew
        )
        self.round = Round(self.lease, FLEET)

    def live(self) -> None:
        try:
            self.lease.acquire()
        except BatcherError:
            self.lease.lose("not got")
            return
        end = self.world.now + self._left
        while self.world.now < end and self.lease.lost is None:
            with suppress(StoreError):
                self.round.visit()
                self.round.catch_up()
                if self.lease.session.is_settled() and not self.is_open:
                    self._open()
            self.world.sleep(TTL / 6)
        self.is_open = False
        if not self._crashes:
            with suppress(StoreError):
                self.round.leave()
        self.lease.lose("ended")

    def _open(self) -> None:
        ledger = self.world.ledger
        spent = ledger.get(self.shard, Decimal(0))
        assert FLEET.max_spend is not None
        terms = PurseTerms.fit(
            FLEET.max_spend,
            base=sum(ledger.values(), Decimal(0)),
            usual=DEAREST,
            parts=self.shard[1],
        )
        self.round.open(
            terms, spent=spent, used=lambda: ledger.get(self.shard, Decimal(0))
        )
        self.round.refill()
        self.is_open = True
        self._plan_send()

    def _plan_send(self) -> None:
        pause = self.world.random.expovariate(0.2)
        self.world.at(self.world.now + pause, self._send)

    def _send(self) -> None:
        if not self.is_open:
            return
        world, purse = self.world, self.round.purse
        if self.frozen_until <= world.now and self.lease.is_held() and purse:
            spent = world.ledger.get(self.shard, Decimal(0))
            if spent + DEAREST <= purse.limit():
                # Paid or maybe billed: the ledger knows the worst from the start.
                world.ledger[self.shard] = spent + DEAREST
                world.sent += 1
                self.sent_at.append(world.now)
            else:
                self.round.wanted = DEAREST
        self._plan_send()
