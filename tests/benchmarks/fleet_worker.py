"""Workers of a fleet in processes of their own, and the blows that they are dealt."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from tests.acceptance.program import BATCHER, Program
from tests.benchmarks.cable import Cable, Exchange

CONCURRENCY = 4
LOOK = 0.05
"""Seconds between two looks at the workers."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Where workers work.

    Attributes:
        folder: What is theirs on this machine.
        out: The run directory.
        gateway: Port of the gateway.
        store: Port of the object store, if there is one.
        exchange: Where their cables lie.
        lease: Seconds that a lease lives.
        every: Seconds from blow to blow, on average.
        ipm: Images a minute of all together.
        kept: Tells which requests the ledger says are kept.
    """

    folder: Path
    out: str
    gateway: int
    store: int | None
    exchange: Exchange
    lease: float
    every: float
    ipm: int
    kept: Callable[[], frozenset[int]]


class Worker:
    """One process that works on a shard.

    Attributes:
        shard: Its shard, `2/4`.
        cable: What it sends goes through here.
        kept: What was kept before it began.
    """

    def __init__(self, scene: Scene, shard: str, *, number: int, limit: str) -> None:
        self.shard = shard
        self.kept = scene.kept()
        self.cable: Cable = scene.exchange.lay(scene.gateway, scene.store)
        self.started = time.monotonic()
        self._printed = scene.folder / f"worker-{number}"
        ways = {"BATCHER_API_KEY": "sandbox", "BATCHER_LEASE": f"{scene.lease:g}"}
        if scene.store is not None:
            ways["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{self.cable.ports[1]}"
        url = f"http://127.0.0.1:{self.cable.ports[0]}/v1"
        flags = [
            *("--base-url", url, "--shard", shard, "--ipm", str(scene.ipm)),
            *("--max-spend", limit, "--json", "--log-format", "text"),
        ]
        with (
            self._printed.with_suffix(".json").open("wb") as stdout,
            self._printed.with_suffix(".txt").open("wb") as stderr,
        ):
            self.process = subprocess.Popen(
                [*BATCHER, "run", "many.yaml", "--out", scene.out, *flags],
                cwd=scene.folder,
                env=Program(scene.folder).environment | ways,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def code(self) -> int | None:
        """How it ended; None while it lives."""
        return self.process.poll()

    @property
    def words(self) -> str:
        """What it said to people."""
        return self._printed.with_suffix(".txt").read_text()

    @property
    def reason(self) -> str:
        """Why it stopped early, as a class."""
        try:
            summary = json.loads(self._printed.with_suffix(".json").read_text())
        except ValueError:
            return ""
        return str((summary["stopped"] or {}).get("class", ""))


class Crew:
    """One worker for each shard, as far as fate allows.

    Attributes:
        all: Every worker there ever was.
        blows: How many of each kind were dealt.
    """

    def __init__(self, scene: Scene, shards: int, chance: Random) -> None:
        self.all: list[Worker] = []
        self.blows: Counter[str] = Counter()
        self._scene = scene
        self._chance = chance
        self._shards = [f"{number}/{shards}" for number in range(1, shards + 1)]
        self._due: list[tuple[float, Callable[[], None]]] = []

    def work(self, limit: str, *, seconds: float) -> bool:
        """Go on until every shard has come to its end; false when it took too long."""
        end = time.monotonic() + seconds
        current: dict[str, Worker] = {}
        again = dict.fromkeys(self._shards, 0.0)
        next_blow = time.monotonic() + 3.0
        while again and (now := time.monotonic()) < end:
            for shard, at in tuple(again.items()):
                worker = current.get(shard)
                if worker is None and now >= at:
                    current[shard] = self._start(shard, limit)
                elif worker is not None and worker.code is not None:
                    del current[shard]
                    again[shard] = now + (1.0 if worker.code == 2 else 0.2)
                    if worker.code == 0 or worker.reason == "spend":
                        del again[shard]
            if now >= next_blow and current:
                self._strike(current)
                next_blow = now + self._chance.uniform(0.0, 2 * self._scene.every)
            self._do_due(now)
            time.sleep(LOOK)
        self._do_due(float("inf"))
        self._wait()
        return not again

    def end(self) -> None:
        """Let nobody live on."""
        for worker in self.all:
            worker.process.kill()
            worker.process.wait()

    def _wait(self) -> None:
        """Wait for those who were replaced and do not know it yet."""
        for worker in self.all:
            try:
                worker.process.wait(60)
            except subprocess.TimeoutExpired:
                self.blows["never ended"] += 1
                worker.process.kill()
                worker.process.wait()

    def _start(self, shard: str, limit: str) -> Worker:
        number = len(self.all)
        self.all.append(Worker(self._scene, shard, number=number, limit=limit))
        return self.all[-1]

    def _strike(self, current: dict[str, Worker]) -> None:
        shard = self._chance.choice(sorted(current))
        worker = current[shard]
        kind = self._chance.choice(("kill", "freeze", "nap", "cut", "clog"))
        lease = self._scene.lease
        long, short = self._chance.uniform(1.1, 2.0), self._chance.uniform(0.05, 0.45)
        self.blows[kind] += 1
        if kind == "kill":
            worker.process.kill()
        elif kind in ("freeze", "nap"):
            worker.process.send_signal(signal.SIGSTOP)
            seconds = lease * (long if kind == "freeze" else short)
            self._later(seconds, lambda: worker.process.send_signal(signal.SIGCONT))
            if kind == "freeze":
                del current[shard]  # another is started at once, to wait for its turn
        else:
            worker.cable.cut() if kind == "cut" else worker.cable.clog()
            is_long = self._chance.random() < 0.5
            self._later(lease * (long if is_long else short), worker.cable.mend)
            if is_long and self._scene.store is not None:
                del current[shard]

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + seconds, do))

    def _do_due(self, now: float) -> None:
        due = [do for at, do in self._due if at <= now]
        self._due = [each for each in self._due if each[0] > now]
        for do in due:
            do()
