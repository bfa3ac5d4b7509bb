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


def test_what_follows_the_packed_body_is_left_out() -> None:
    assert list(Unpacker("gzip").unpack([packed(b"abc", 31) + b"junk"])) == [b"abc"]


def test_what_is_not_packed_is_a_broken_reply() -> None:
    with pytest.raises(BrokenReplyError, match="not packed"):
        list(Unpacker("gzip").unpack([b"plain text"]))
