from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.errors import StoreError, UsageError
from batcher.ledger import (
    FILE_NAME,
    LOCK_NAME,
    LedgerWriter,
    Standings,
    lock_folder,
    read_ledger,
)
from batcher.ledger.event import Attempt

LINE = b'{"event":"attempt","id":"a","attempt":1,"reserved_usd":0.5}\n'


def attempt(number: int, usd: Decimal = Decimal("0.5")) -> Attempt:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return Attempt(at=at, id="a", attempt=number, reserved_usd=usd)


NO_LINE = attempt(1, Decimal(10**12))
"""What a reader would take for damage."""


@contextmanager
def opened(folder: Path) -> Iterator[LedgerWriter]:
    reading = read_ledger(folder)
    writer = LedgerWriter(folder, reading.standings, expected_size=reading.size)
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as a disk that fills up does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    with opened(tmp_path) as writer:
        writer.append(attempt(1))
        writer.append(attempt(2))
        writer.sync()
        written = writer.standings.get("a")
    reading = read_ledger(tmp_path)
    assert reading.standings.get("a") == written
    assert reading.size == (tmp_path / FILE_NAME).stat().st_size


def test_a_line_is_there_as_soon_as_append_returns(tmp_path: Path) -> None:
    with opened(tmp_path) as writer:
        writer.append(attempt(1))
        assert (tmp_path / FILE_NAME).read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("tail", [LINE[:-5], b"\0" * 200_000, LINE[:9] + b"\0" * 9])
def test_a_torn_tail_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(LINE + tail)
    with opened(tmp_path) as writer:
        assert path.read_bytes() == LINE
        writer.append(attempt(2))
    assert path.read_bytes().startswith(LINE + b'{"event"')
    assert read_ledger(tmp_path).standings.attempts == 2


def test_a_ledger_that_is_nothing_but_torn_begins_anew(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(LINE[:30])
    with opened(tmp_path):
        assert (tmp_path / FILE_NAME).read_bytes() == b""


def test_a_whole_last_line_gets_its_newline(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(LINE + LINE[:-1])
    with opened(tmp_path) as writer:
        assert path.read_bytes() == LINE + LINE
        writer.append(attempt(3))
    assert read_ledger(tmp_path).standings.attempts == 3


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with opened(tmp_path) as writer:
        writer.append(attempt(1))
        before = path.read_bytes()
        with (
            full_at(len(before) + 10),
            pytest.raises(StoreError, match=r"cannot write .*ledger\.jsonl"),
        ):
            writer.append(attempt(2))
        assert path.read_bytes() == before
        assert writer.standings.attempts == 1
        writer.append(attempt(2))
    assert read_ledger(tmp_path).standings.attempts == 2


def test_nothing_is_written_after_a_torn_line_that_cannot_be_cut_off(
    tmp_path: Path,
) -> None:
    file = os.memfd_create("ledger", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    (tmp_path / FILE_NAME).symlink_to(f"/proc/self/fd/{file}")
    writer = LedgerWriter(tmp_path, Standings())
    writer.append(attempt(1))
    whole = os.fstat(file).st_size
    with full_at(whole + 10), pytest.raises(StoreError, match="cannot write"):
        writer.append(attempt(2))
    with pytest.raises(StoreError, match="cannot write"):
        writer.append(attempt(2))
    assert os.fstat(file).st_size == whole + 10
    assert writer.standings.attempts == 1
    writer.close()
    os.close(file)


def test_a_line_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with opened(tmp_path) as writer:
        with pytest.raises(StoreError, match="not a sum of money"):
            writer.append(NO_LINE)
        assert (tmp_path / FILE_NAME).read_bytes() == b""
        assert writer.standings.attempts == 0
        writer.append(attempt(1))
    assert read_ledger(tmp_path).damaged == ()


def test_a_ledger_that_grew_since_it_was_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(LINE)
    with pytest.raises(StoreError, match="run the command again"):
        LedgerWriter(tmp_path, Standings(), expected_size=0)
    assert (tmp_path / FILE_NAME).read_bytes() == LINE


def test_a_ledger_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="cannot open"):
        LedgerWriter(tmp_path, Standings())


def test_a_refused_sync_is_an_error_and_the_file_is_closed(tmp_path: Path) -> None:
    pipe = tmp_path / FILE_NAME
    os.mkfifo(pipe)  # what cannot be brought to a disk
    writer = LedgerWriter(tmp_path, Standings())
    with pytest.raises(StoreError, match="cannot sync"):
        writer.close()
    with pytest.raises(StoreError, match="cannot write"):
        writer.append(attempt(1))


def test_only_one_may_write_at_a_time(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    with pytest.raises(UsageError, match="another run is writing"):
        lock_folder(tmp_path)
    lock.release()
    lock_folder(tmp_path).release()


def test_a_folder_that_refuses_the_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(UsageError, match="cannot write to"):
        lock_folder(tmp_path)
