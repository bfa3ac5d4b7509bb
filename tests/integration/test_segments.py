"""Segments in a folder and a bucket: written, rolled up, taken over and read."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.ledger import (
    LedgerWriter,
    Standings,
    history,
    read_ledger,
    read_results,
    writer_name,
)
from batcher.ledger.event import Attempt, Event, Result, Retry, now
from batcher.ledger.event import ErrorRecord as Error
from batcher.ledger.ledger import Ledger
from batcher.ledger.reader import raw_lines
from batcher.ledger.segment import GROUP
from batcher.ledger.segment_writer import SegmentWriter
from batcher.models import Status
from batcher.stores import Directory, LocalDirectory, open_directory

AT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(params=["folder", "bucket"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Directory:
    """A run directory of each kind."""
    if request.param == "folder":
        return LocalDirectory(tmp_path)
    return open_directory(f"s3://{request.getfixturevalue('bucket')}/run")


def attempt(id_: str, number: int) -> Attempt:
    return Attempt(at=now(), id=id_, attempt=number, reserved_usd=Decimal("0.25"))


def result(id_: str, attempts: int) -> Result:
    return Result(
        at=now(),
        id=id_,
        name=id_,
        status=Status.SUCCEEDED,
        attempts=attempts,
        request={},
        vars={},
        cost_usd=Decimal("0.2"),
    )


def retry(id_: str, number: int) -> Retry:
    error = Error(error_class="server")
    return Retry(
        at=now(), id=id_, attempt=number, error=error, maybe_billed=False, delay=0.0
    )


async def live(ledger: Ledger, id_: str, chance: random.Random) -> None:
    """Write what becomes of a request, as a worker does."""
    number = 0
    while True:
        number += 1
        ledger.append(attempt(id_, number))
        await ledger.safe()
        await asyncio.sleep(0)
        if chance.random() < 0.7:
            ledger.append(result(id_, number))
            return
        ledger.append(retry(id_, number))


async def test_shards_that_write_at_once_come_to_what_each_of_them_saw(
    directory: Directory,
) -> None:
    chance = random.Random(7)
    writers = []
    for shard in (1, 2, 3):
        name = writer_name(now(), shard=shard, shards=3, epoch=1)
        writers.append(SegmentWriter(directory, name, Standings(), linger=0))
    async with asyncio.TaskGroup() as group:
        for number in range(300):
            ledger = writers[number % 3]
            group.create_task(live(ledger, f"r{number}", chance))
    for each in writers:
        each.close()
    found = read_ledger(directory).standings
    assert len(found) == 300
    assert found.spent == Decimal(60)
    assert found.attempts == sum(each.standings.attempts for each in writers)
    for number in range(300):
        id_ = f"r{number}"
        assert found.get(id_) == writers[number % 3].standings.get(id_)
    assert sum(1 for _ in read_results(directory)) == 300


async def test_a_shard_that_is_taken_over_goes_on_behind_what_was_read(
    directory: Directory,
) -> None:
    events: list[Event] = [attempt("a", 1), retry("a", 1), attempt("a", 2)]
    name = ""
    for epoch, event in enumerate(events, 1):
        reading = read_ledger(directory)
        # The clock of each later machine is behind.
        at = AT.replace(minute=30 - epoch)
        after = reading.writers[-1] if reading.writers else ""
        name = writer_name(at, shard=1, shards=1, epoch=epoch, after=after)
        writer = SegmentWriter(directory, name, reading.standings, linger=0)
        writer.append(event)
        await writer.safe()
    reading = read_ledger(directory)
    assert reading.writers[-1] == name
    lines = [(line["event"], line["attempt"]) for line in history(directory, "a")]
    assert lines == [("attempt", 1), ("retry", 1), ("attempt", 2)]
    assert [each.state for each in reading.standings.values()] == ["unknown"]


def test_a_folder_is_read_whole_while_it_is_written_and_rolled_up(
    tmp_path: Path,
) -> None:
    writer = SegmentWriter(LocalDirectory(tmp_path), "w", Standings())
    done = threading.Event()

    def write() -> None:
        for number in range(1, 2 * GROUP):
            writer.append(attempt("a", number))
            writer.sync()
        writer.close()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = 0
    while not done.is_set():
        numbers = [line["attempt"] for line in history(tmp_path, "a")]
        assert numbers == [*range(1, len(numbers) + 1)]
        assert len(numbers) >= seen
        seen = len(numbers)
    thread.join()
    assert sum(1 for _ in raw_lines(tmp_path)) == 2 * GROUP - 1


def test_a_group_is_rolled_up_and_read_as_before(directory: Directory) -> None:
    writer = SegmentWriter(directory, "w", Standings())
    for number in range(1, GROUP + 3):
        writer.append(attempt("a", number))
        writer.sync()
    assert len([*directory.entries("ledger/")]) == GROUP + 3
    reading = raw_lines(directory)
    lines = [next(reading)]
    writer.close()
    assert len([*directory.entries("ledger/")]) == 3
    assert [*lines, *reading] == [*raw_lines(directory)]
    assert read_ledger(directory).standings.says_the_same(writer.standings)


@pytest.mark.parametrize("is_local", [True, False], ids=["file", "segments"])
async def test_a_ledger_is_safe_once_it_says_so(tmp_path: Path, is_local: bool) -> None:
    ledger: Ledger
    if is_local:
        ledger = LedgerWriter(tmp_path, Standings())
    else:
        ledger = SegmentWriter(LocalDirectory(tmp_path), "w", Standings())
    ledger.append(attempt("a", 1))
    await ledger.safe()
    assert read_ledger(tmp_path).standings.says_the_same(ledger.standings)
    ledger.close()
