from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from filelock import FileLock

from batcher.errors import StoreError
from batcher.ledger import FILE_NAME, Standings, read_ledger
from batcher.ledger.event import Attempt, encode
from batcher.ledger.reader import raw_lines
from batcher.ledger.shared_writer import LINE_LOCK_NAME, SharedWriter
from tests.unit.ledger.test_writer import NO_LINE, full_at

LINES = 200


def attempt(id_: str, number: int = 1) -> Attempt:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return Attempt(at=at, id=id_, attempt=number, reserved_usd=Decimal("0.5"))


@contextmanager
def opened(folder: Path, *, patience: float = 10.0) -> Iterator[SharedWriter]:
    writer = SharedWriter(folder, Standings(), patience=patience)
    try:
        yield writer
    finally:
        writer.close()


def main(folder: Path, id_: str) -> None:
    """Append many lines, as one process of several."""
    with opened(folder) as writer:
        for number in range(1, LINES + 1):
            writer.append(attempt(id_, number))


def test_processes_that_append_at_once_tear_and_lose_no_line(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-m", __name__, str(tmp_path), id_])
        for id_ in ("a", "b", "c")
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    reading = read_ledger(tmp_path)
    assert reading.damaged == ()
    written = Counter(raw for _, raw in raw_lines(tmp_path))
    numbers = range(1, LINES + 1)
    wanted = {encode(attempt(id_, number)) for id_ in "abc" for number in numbers}
    assert written == Counter(wanted)


async def test_what_is_appended_is_folded_and_read_again(tmp_path: Path) -> None:
    with opened(tmp_path) as writer:
        writer.append(attempt("a"))
        await writer.safe()
        writer.sync()
        written = writer.standings.get("a")
    assert written is not None
    assert read_ledger(tmp_path).standings.get("a") == written


def test_a_line_that_a_dead_process_tore_is_cut_off_by_the_next(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        one.append(attempt("a"))
        with (tmp_path / FILE_NAME).open("ab") as file:
            file.write(encode(attempt("torn"))[:-20])
        other.append(attempt("b"))
    reading = read_ledger(tmp_path)
    assert list(reading.standings) == ["a", "b"]
    assert reading.damaged == ()


def test_a_line_that_lacks_its_newline_alone_is_ended_by_the_next(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE_NAME).write_bytes(encode(attempt("a")).rstrip())
    with opened(tmp_path) as writer:
        writer.append(attempt("b"))
    assert list(read_ledger(tmp_path).standings) == ["a", "b"]


def test_who_is_frozen_in_the_middle_of_a_line_is_not_waited_for_for_ever(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, patience=0.02) as writer:
        with (
            FileLock(tmp_path / LINE_LOCK_NAME),
            pytest.raises(StoreError, match=r"another process has held .* for 0.02 s"),
        ):
            writer.append(attempt("a"))
        assert writer.standings.get("a") is None
        writer.append(attempt("b"))
    assert list(read_ledger(tmp_path).standings) == ["b"]


@contextmanager
def holder(folder: Path) -> Iterator[None]:
    """Have another process hold the lock, as one that is frozen does."""
    words = (
        "import sys; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", words, str(folder / LINE_LOCK_NAME)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.communicate()


def test_who_is_frozen_is_waited_for_once_and_not_for_each_line(tmp_path: Path) -> None:
    with opened(tmp_path, patience=0.5) as writer:
        with holder(tmp_path):
            started = time.monotonic()
            for _ in range(30):
                with pytest.raises(StoreError, match="it is frozen; end it"):
                    writer.append(attempt("a"))
            assert time.monotonic() - started < 30 * 0.5 / 2
        assert writer.standings.get("a") is None
        writer.append(attempt("b"))
    assert list(read_ledger(tmp_path).standings) == ["b"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path) as writer:
        writer.append(attempt("a"))
        before = (tmp_path / FILE_NAME).read_bytes()
        with (
            full_at(len(before) + 30),
            pytest.raises(StoreError, match="cannot write"),
        ):
            writer.append(attempt("b"))
        assert (tmp_path / FILE_NAME).read_bytes() == before
        assert writer.standings.get("b") is None
        writer.append(attempt("c"))
    assert list(read_ledger(tmp_path).standings) == ["a", "c"]


def test_a_line_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with opened(tmp_path) as writer:
        with pytest.raises(StoreError, match="not a sum of money"):
            writer.append(NO_LINE)
        assert (tmp_path / FILE_NAME).read_bytes() == b""
        assert writer.standings.attempts == 0


def test_a_file_that_cannot_be_opened_or_synced_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match=r"cannot open .*ledger\.jsonl"):
        SharedWriter(tmp_path, Standings())
    writer = SharedWriter(tmp_path.parent, Standings())
    writer.close()
    with pytest.raises(StoreError, match="cannot sync"):
        writer.sync()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
