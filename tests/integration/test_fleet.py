"""Workers in processes of their own, on one folder."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.errors import UsageError
from batcher.fleet import (
    Crew,
    Holder,
    Lease,
    Member,
    Order,
    PurseTerms,
    Quota,
    Round,
    Word,
    crew_of,
)
from batcher.stores.cloud import CloudDirectory
from batcher.stores.folder import LocalDirectory

TTL = 3.0
LOST = 3
PATIENCE = 30.0
ALONE = Crew(shards=("0001-of-0002",), word=Word())


class Sender:
    """Writes a line for each request that it would send."""

    def __init__(self, folder: Path, name: str) -> None:
        self.reason = ""
        self._path = folder / f"{name}.sent"
        self._ended = asyncio.Event()

    def lost(self, reason: str) -> None:
        self.reason = reason
        self._ended.set()

    def changed(self, quota: Quota) -> None:
        del quota

    def ordered(self, order: Order) -> None:
        if order.name == "stop":
            self._ended.set()

    async def work(self, folder: Path) -> int:
        lease = Lease(LocalDirectory(folder), (1, 2), ttl=TTL)
        async with (
            Member(lease, wish=Quota(), listener=self) as member,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(member.keep_up(self._ended))
            await member.settled()
            while not self._ended.is_set():
                self._send(member)
                await asyncio.sleep(0.01)
        return LOST if self.reason else 0

    def _send(self, member: Member) -> None:
        with self._path.open("a") as stream:
            if member.is_held():
                stream.write(f"{time.clock_gettime(time.CLOCK_MONOTONIC)}\n")


def main(folder: Path, name: str) -> int:
    """Work on the shard, as soon as it is to be had."""
    while True:
        try:
            return asyncio.run(Sender(folder, name).work(folder))
        except UsageError:
            time.sleep(0.1)


@contextmanager
def worker(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    root = Path(__file__).parents[2]
    command = [sys.executable, __file__, str(folder), name]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, cwd=root, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def sent(folder: Path, name: str) -> list[float]:
    path = folder / f"{name}.sent"
    lines = path.read_text().splitlines() if path.exists() else []
    return [float(line) for line in lines]


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing can be frozen here")
def test_a_worker_that_was_frozen_sends_nothing_once_it_was_replaced(
    tmp_path: Path,
) -> None:
    with ExitStack() as processes:
        first = processes.enter_context(worker(tmp_path, "first"))
        wait_for(lambda: len(sent(tmp_path, "first")) > 5)
        second = processes.enter_context(worker(tmp_path, "second"))
        time.sleep(1.5 * TTL)
        assert not sent(tmp_path, "second"), "the first one lives"
        first.send_signal(signal.SIGSTOP)
        wait_for(lambda: len(sent(tmp_path, "second")) > 5)
        first.send_signal(signal.SIGCONT)
        assert first.wait(PATIENCE) == LOST
        assert second.poll() is None
        assert sent(tmp_path, "first")[-1] < sent(tmp_path, "second")[0]


def test_a_killed_worker_is_replaced_and_a_finished_one_at_once(tmp_path: Path) -> None:
    directory = LocalDirectory(tmp_path)
    with worker(tmp_path, "first") as first:
        wait_for(lambda: len(sent(tmp_path, "first")) > 5)
        with pytest.raises(UsageError, match=f"held by process {first.pid} on "):
            Lease(directory, (1, 2), ttl=TTL).acquire()
    for _ in range(2):
        lease = Lease(directory, (1, 2), ttl=TTL)
        lease.acquire()
        assert lease.is_held()
        lease.release(lease.inherited)


def test_of_another_machine_only_silence_tells_that_a_worker_is_dead(
    tmp_path: Path,
) -> None:
    directory = LocalDirectory(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    elsewhere = Holder(machine="another one", pid=dead.pid)
    Lease(directory, (1, 2), ttl=TTL, holder=elsewhere).acquire()
    with pytest.raises(UsageError, match=f"held by process {dead.pid} on "):
        Lease(directory, (1, 2), ttl=TTL).acquire()
    assert crew_of(directory, ttl=TTL) == ALONE


def test_shards_of_another_number_wait_for_the_living_not_for_the_dead(
    tmp_path: Path,
) -> None:
    directory = LocalDirectory(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    Lease(directory, (1, 2), holder=Holder(pid=dead.pid)).acquire()
    assert crew_of(directory) is None
    Lease(directory, (1, 3)).acquire()
    with pytest.raises(UsageError, match="use the same number"):
        Lease(directory, (1, 4)).acquire()


def test_a_bucket_is_ground_enough_for_a_fleet(bucket: str) -> None:
    nothing = Decimal(0)
    terms = PurseTerms(max_spend=Decimal(10), base=nothing, slot=Decimal(1))
    directory = CloudDirectory(f"s3://{bucket}/night")
    rounds = []
    for part in (1, 2):
        lease = Lease(directory, (part, 2))
        lease.acquire()
        rounds.append(Round(lease, Quota(ipm=60.0, max_spend=Decimal(10))))
    with pytest.raises(UsageError, match="held by process"):
        Lease(directory, (2, 2)).acquire()
    for each in rounds:
        each.visit()
        each.catch_up()
        each.open(terms, spent=nothing, used=lambda: nothing)
        each.wanted = Decimal(8)
        each.refill()
    assert [each.quota.ipm for each in rounds] == [30.0, 30.0]
    assert [each.quota.max_spend for each in rounds] == [Decimal(8), Decimal(2)]
    for each in rounds:
        each.leave()
    again = Lease(directory, (1, 2))
    again.acquire()
    assert (again.epoch, again.session.number, again.inherited.slots) == (2, 2, ())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
