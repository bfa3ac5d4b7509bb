"""Bodies that a gateway compressed though it was asked not to."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.coding import LARGEST_PIECE, Unpacker
from batcher.transport.response import BrokenReplyError

WINDOWS = {"gzip": 31, "x-gzip": 31, " GZip ": 31, "deflate": 15, "Deflate": -15}


def packed(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(body) + packer.flush()


def cut(body: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, *(place for place in places if place < len(body)), len(body)})
    return [body[a:b] for a, b in pairwise(ends)]


@given(
    body=st.binary(max_size=2000),
    coding=st.sampled_from(sorted(WINDOWS)),
    places=st.lists(st.integers(1, 2000), max_size=6),
)
def test_a_packed_body_cut_anywhere_is_unpacked(
    body: bytes, coding: str, places: list[int]
) -> None:
    unpacker = Unpacker(coding)
    pieces = cut(packed(body, WINDOWS[coding]), places)
    assert b"".join(b"".join(unpacker.unpack([each])) for each in pieces) == body


@pytest.mark.parametrize("coding", ["", "identity", "br", "zstd", "gzip, gzip"])
def test_a_coding_that_is_not_known_leaves_a_body_as_it_is(coding: str) -> None:
    assert list(Unpacker(coding).unpack([b"abc", b"def"])) == [b"abc", b"def"]


def test_a_small_body_comes_out_in_pieces_of_bounded_size() -> None:
    bomb = packed(bytes(20 * LARGEST_PIECE + 7), 31)
    sizes = [len(piece) for piece in Unpacker("gzip").unpack([bomb])]
    assert sum(sizes) == 20 * LARGEST_PIECE + 7
    assert max(sizes) <= LARGEST_PIECE


@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    places=st.lists(st.integers(1, 900), max_size=6),
    junk=st.sampled_from([b"", b"junk", b"\0" * 9]),
)
def test_a_body_packed_in_several_parts_is_unpacked(
    bodies: list[bytes], places: list[int], junk: bytes
) -> None:
    unpacker = Unpacker("gzip")
    pieces = cut(b"".join(packed(body, 31) for body in bodies) + junk, places)
    found = b"".join(b"".join(unpacker.unpack([each])) for each in pieces)
    assert found == b"".join(bodies)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("junk", [b"junk", b"\0" * 9])
def test_what_follows_the_packed_body_is_left_out(coding: str, junk: bytes) -> None:
    unpacker = Unpacker(coding)
    pieces = [packed(b"abc", WINDOWS[coding]) + junk, junk]
    assert [list(unpacker.unpack([each])) for each in pieces] == [[b"abc"], []]


def test_a_later_part_that_breaks_off_is_a_broken_reply() -> None:
    part = packed(bytes(range(256)) * 9, 31)
    unpacker = Unpacker("gzip")
    with pytest.raises(BrokenReplyError, match="not packed"):
        list(unpacker.unpack([part, part[:-20], part[-20:-8] + bytes(8)]))


def test_what_is_not_packed_is_a_broken_reply() -> None:
    with pytest.raises(BrokenReplyError, match="not packed"):
        list(Unpacker("gzip").unpack([b"plain text"]))
