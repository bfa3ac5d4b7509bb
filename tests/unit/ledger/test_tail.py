from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.ledger.tail import Tail


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    with Tail(tmp_path / "lines") as opened:
        yield opened


def append(folder: Path, data: bytes) -> None:
    with (folder / "lines").open("ab") as stream:
        stream.write(data)


def texts(tail: Tail) -> list[bytes]:
    return [raw for _, raw in tail.read()]


def test_a_file_that_is_not_there_yet_has_no_lines(tail: Tail, tmp_path: Path) -> None:
    assert tail.read() == []
    assert not tail.is_replaced()
    assert tail.line_at(0) == b""
    append(tmp_path, b"a\n")
    assert texts(tail) == [b"a\n"]


def test_a_torn_line_is_waited_for(tail: Tail, tmp_path: Path) -> None:
    append(tmp_path, b"a\nb")
    assert texts(tail) == [b"a\n"]
    assert texts(tail) == []
    append(tmp_path, b"c\r\x0b\n")
    assert tail.read() == [(2, b"bc\r\x0b\n")]
    assert tail.line_at(2) == b"bc\r\x0b\n"


def test_a_line_longer_than_a_block_is_one_line(tail: Tail, tmp_path: Path) -> None:
    long = b"x" * (3 << 20) + b"\n"
    append(tmp_path, long + b"a\n")
    assert texts(tail) + texts(tail) == [long, b"a\n"]
    assert tail.line_at(0) == long
    assert tail.line_at(len(long)) == b"a\n"


@pytest.mark.parametrize("content", [b"c\n", b"cd\nef\ngh\n"])
def test_another_file_in_its_place_is_noticed(
    tail: Tail, tmp_path: Path, content: bytes
) -> None:
    append(tmp_path, b"a\nb\n")
    tail.read()
    (tmp_path / "new").write_bytes(content)
    (tmp_path / "new").replace(tmp_path / "lines")
    assert tail.is_replaced()
    tail.begin_anew()
    assert not tail.is_replaced()
    assert b"".join(texts(tail)) == content


def test_a_file_cut_short_is_another_file(tail: Tail, tmp_path: Path) -> None:
    append(tmp_path, b"a\nb\n")
    tail.read()
    (tmp_path / "lines").write_bytes(b"c\n")
    assert tail.is_replaced()


def test_a_file_that_is_gone_has_nothing_new(tail: Tail, tmp_path: Path) -> None:
    append(tmp_path, b"a\n")
    tail.read()
    (tmp_path / "lines").unlink()
    assert not tail.is_replaced()
    assert tail.read() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=9)))
def test_however_it_grows_every_line_comes_once(
    tmp_path: Path, pieces: list[bytes]
) -> None:
    (tmp_path / "lines").unlink(missing_ok=True)
    seen: list[tuple[int, bytes]] = []
    with Tail(tmp_path / "lines") as tail:
        for piece in pieces:
            append(tmp_path, piece)
            seen += tail.read()
        whole = b"".join(pieces)
        assert b"".join(raw for _, raw in seen) == whole[: whole.rfind(b"\n") + 1]
        assert all(tail.line_at(offset) == raw for offset, raw in seen)
        assert tail.offset == sum(len(raw) for _, raw in seen)
