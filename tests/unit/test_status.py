from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from batcher.errors import UsageError
from batcher.ledger import Standings, writer_name
from batcher.ledger.event import End, Event, Run, encode
from batcher.ledger.segment_writer import SegmentWriter
from batcher.models import Summary
from batcher.status import read_status
from batcher.stores import LocalDirectory
from tests.unit.reports.ledger import (
    START,
    attempt_line,
    draw,
    kept,
    run_line,
    write_ledger,
)

Write = Callable[..., None]


def begin(total: int, shard: tuple[int, int] | None = None) -> Run:
    line = msgspec.structs.replace(run_line(total), run=f"run {shard}")
    return line if shard is None else msgspec.structs.replace(line, shard=shard)


def end(
    code: int,
    shard: tuple[int, int] | None = None,
    *,
    seconds: float,
    reason: str = "finished",
) -> End:
    return End(
        at=START + timedelta(seconds=seconds),
        run=f"run {shard}",
        reason=reason,
        message=None if reason == "finished" else "the key is wrong",
        exit_code=code,
        seconds=seconds,
        skipped=1,
        **dict.fromkeys(
            ("total", "succeeded", "failed", "rejected", "unknown", "pending"), 0
        ),
        images=0,
        attempts=0,
        spent_usd=None,
        maybe_billed_usd=None,
        errors={},
        warnings={},
    )


@pytest.fixture(params=["one file", "segments"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Writes a ledger of either kind."""
    if request.param == "one file":
        return lambda *events: write_ledger(tmp_path, events)

    def write_segments(*events: Event) -> None:
        directory = LocalDirectory(tmp_path)
        name = writer_name(START, shard=1, shards=1, epoch=1)
        writer = SegmentWriter(directory, name, Standings())
        for event in events:
            writer.append(event)
            writer.sync()
        writer.close()

    return write_segments


def read(folder: Path) -> Summary:
    return read_status(folder).summary


def test_a_fleet_is_asked_for_what_its_shards_are(write: Write, tmp_path: Path) -> None:
    write(
        begin(30, (1, 2)),
        begin(12, (2, 2)),
        end(0, (1, 2), seconds=60.0),
        end(1, (2, 2), seconds=90.0),
    )
    summary = read(tmp_path)
    assert (summary.total, summary.pending) == (42, 42)
    assert (summary.exit_code, summary.stopped) == (1, None)
    assert (summary.seconds, summary.skipped) == (90.0, 2)


@pytest.mark.parametrize("parts", [2, 3])
def test_a_fleet_that_is_at_work_has_not_ended(
    write: Write, tmp_path: Path, parts: int
) -> None:
    lines = (attempt_line("a" * 20), end(0, (1, parts), seconds=60.0))
    write(begin(30, (1, parts)), begin(12, (2, parts)), *lines)
    summary = read(tmp_path)
    assert (summary.total, summary.unknown) == (42, 1)
    assert (summary.exit_code, summary.stopped, summary.seconds) == (3, None, 0.0)


def test_the_shard_that_stopped_early_says_why(write: Write, tmp_path: Path) -> None:
    ends = (
        end(3, (2, 2), seconds=9.0, reason="auth"),
        end(0, (1, 2), seconds=60.0),
    )
    write(begin(30, (1, 2)), begin(12, (2, 2)), *ends)
    summary = read(tmp_path)
    assert summary.exit_code == 3
    words = "shard 2/2: the key is wrong"
    assert summary.stopped == {"class": "auth", "message": words}


def test_only_the_last_run_of_a_shard_counts(write: Write, tmp_path: Path) -> None:
    first = (begin(30, (1, 2)), end(3, (1, 2), seconds=60.0, reason="auth"))
    second = (begin(12, (2, 2)), end(0, (2, 2), seconds=9.0))
    write(*first, *second, begin(31, (1, 2)), end(0, (1, 2), seconds=8.0))
    summary = read(tmp_path)
    assert (summary.total, summary.exit_code, summary.stopped) == (43, 0, None)


def test_only_the_last_fleet_counts(write: Write, tmp_path: Path) -> None:
    first = (begin(30, (1, 2)), end(0, (1, 2), seconds=60.0))
    write(*first, begin(12, (2, 2)), begin(14, (1, 3)))
    assert read(tmp_path).total == 14


def test_a_run_of_the_whole_after_a_fleet_counts_alone(
    write: Write, tmp_path: Path
) -> None:
    write(begin(30, (1, 2)), begin(12, (2, 2)), begin(50), end(1, seconds=5.0))
    summary = read(tmp_path)
    assert (summary.total, summary.seconds, summary.exit_code) == (50, 5.0, 1)


def test_segments_alone_are_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "a.png").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"there is no ledger\.jsonl"):
        read_status(tmp_path)
    line = encode(begin(3))
    name = "ledger/20260101T000000.000Z-0001-of-0001-e000001/00000001-00000001.jsonl"
    LocalDirectory(tmp_path).create(name, line)
    assert read(tmp_path).total == 3


def test_an_image_that_is_gone_or_changed_is_lost(tmp_path: Path) -> None:
    images = [draw(tmp_path, f"{number}.png", (8, 8)) for number in range(3)]
    results = [kept(number, image) for number, image in enumerate(images)]
    write_ledger(tmp_path, [run_line(4), *results])
    assert (read(tmp_path).succeeded, read(tmp_path).lost) == (3, 0)
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"other")
    summary = read(tmp_path)
    assert (summary.succeeded, summary.lost, summary.pending) == (1, 2, 3)
