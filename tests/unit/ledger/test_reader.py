from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.errors import StoreError
from batcher.ledger import FILE_NAME, State, kept_paths, names_of, read_ledger

ATTEMPT = b'{"event":"attempt","id":"a","attempt":1,"reserved_usd":0.5}\n'
KEPT = (
    b'{"event":"result","id":"a","name":"fox","status":"succeeded","attempts":1,'
    b'"images":[{"path":"fox.png","bytes":3}],"cost_usd":0.25}\n'
)
OTHER = b'{"event":"attempt","id":"b","attempt":1,"reserved_usd":0.5}\n'
DAMAGED = (b"\0\0\0\0\n", b"not JSON\n", b'{"event":"result","id":3}\n', b"\n")

write_ledger = settings(
    deadline=None,  # the disk may be busy
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def write(folder: Path, *lines: bytes) -> Path:
    (folder / FILE_NAME).write_bytes(b"".join(lines))
    return folder


def test_an_absent_ledger_is_an_empty_one(tmp_path: Path) -> None:
    reading = read_ledger(tmp_path)
    assert (len(reading.standings), reading.size) == (0, 0)
    assert names_of(tmp_path, frozenset("a")) == {}
    assert kept_paths(tmp_path) == frozenset()


def test_a_ledger_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match=FILE_NAME):
        read_ledger(tmp_path)


@pytest.mark.parametrize(
    "tail",
    [KEPT[:1], KEPT[:-2], b"\0" * 5000, KEPT[:20] + b"\0" * 50, b"\xff"],
    ids=["brace", "almost", "zeros", "cut then zeros", "byte"],
)
def test_a_torn_tail_is_passed_over(tmp_path: Path, tail: bytes) -> None:
    reading = read_ledger(write(tmp_path, ATTEMPT, OTHER, tail))
    assert reading.damaged == ()
    assert reading.size == len(ATTEMPT + OTHER)
    assert [each.state for each in reading.standings.values()] == [State.UNKNOWN] * 2


def test_a_last_line_that_lacks_only_its_newline_counts(tmp_path: Path) -> None:
    reading = read_ledger(write(tmp_path, ATTEMPT, KEPT[:-1]))
    assert reading.size == len(ATTEMPT + KEPT)
    assert [each.state for each in reading.standings.values()] == [State.SUCCEEDED]


@write_ledger
@given(
    st.lists(st.sampled_from([ATTEMPT, KEPT, OTHER, *DAMAGED]), max_size=12),
    st.sampled_from([b"", KEPT[:9], b"\0"]),
)
def test_damaged_lines_are_numbered_and_change_nothing(
    tmp_path: Path, lines: list[bytes], tail: bytes
) -> None:
    reading = read_ledger(write(tmp_path, *lines, tail))
    damaged = (n for n, line in enumerate(lines, 1) if line in DAMAGED)
    assert reading.damaged == tuple(f"{FILE_NAME}:{n}" for n in damaged)
    assert reading.size == sum(map(len, lines))
    sound = [line for line in lines if line not in DAMAGED]
    expected = read_ledger(write(tmp_path, *sound)).standings
    assert {id_: reading.standings.get(id_) for id_ in reading.standings} == {
        id_: expected.get(id_) for id_ in expected
    }
    assert reading.standings.spent == expected.spent


def test_kept_images_are_checked_when_asked(tmp_path: Path) -> None:
    write(tmp_path, ATTEMPT, KEPT)
    reading = read_ledger(tmp_path, holds=lambda image: image.bytes == 4)
    assert [each.state for each in reading.standings.values()] == [State.LOST]


def test_names_and_paths_come_from_results_only(tmp_path: Path) -> None:
    named = b'{"event":"result","id":"b","status":"failed"}\n'
    write(tmp_path, ATTEMPT, DAMAGED[1], KEPT, OTHER, named, b'{"event":"x","id":1}\n')
    assert names_of(tmp_path, frozenset("ab")) == {"a": "fox"}
    assert names_of(tmp_path, frozenset("b")) == {}
    assert kept_paths(tmp_path) == {"fox.png"}
    write(tmp_path, KEPT.replace(b'[{"path":"fox.png","bytes":3}]', b"3"))
    assert kept_paths(tmp_path) == frozenset()
