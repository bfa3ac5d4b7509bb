"""The framing of replies: any split of the bytes means the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import httptools
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.response import (
    LARGEST_HEAD,
    BrokenReplyError,
    ResponseParser,
)

OK = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Interim: 1\r\n\r\n"


class Read(msgspec.Struct, frozen=True):
    status: int | None
    headers: dict[str, str]
    body: bytes
    is_whole: bool
    is_reusable: bool


def read(pieces: Iterable[bytes], *, is_closed: bool = False) -> Read:
    parser = ResponseParser()
    body = b""
    for piece in pieces:
        assert not parser.is_whole
        given_ = parser.feed(memoryview(piece))
        assert all(given_)
        body += b"".join(given_)
    if is_closed:
        parser.end()
    return Read(
        parser.status, parser.headers, body, parser.is_whole, parser.is_reusable
    )


def chunked(chunks: Sequence[bytes], extension: bytes, trailer: bytes) -> bytes:
    coded = (b"%x%b\r\n%b\r\n" % (len(each), extension, each) for each in chunks)
    return b"".join(coded) + b"0\r\n" + trailer + b"\r\n"


LENGTH = OK + b"X-Request-ID: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    OK
    + b"Transfer-Encoding: chunked\r\nRetry-After:  3 \r\n\r\n"
    + chunked([b"hel", b"lo"], b";name=value", b"X-Trailer: 1\r\n")
)
UNTIL_CLOSE = OK + b"Server: x\r\n\r\nhello"


@pytest.mark.parametrize(
    "reply",
    [LENGTH, CHUNKED, INTERIM + LENGTH, HINTS + CHUNKED, INTERIM * 3 + HINTS + LENGTH],
    ids=["length", "chunked", "continued", "hinted", "both"],
)
def test_a_reply_split_at_any_byte_reads_the_same(reply: bytes) -> None:
    whole = read([reply])
    assert (whole.status, whole.body) == (200, b"hello")
    assert whole.is_whole
    assert whole.is_reusable
    assert "x-interim" not in whole.headers
    assert "x-trailer" not in whole.headers
    for place in range(1, len(reply)):
        assert read([reply[:place], reply[place:]]) == whole
    assert read(reply[place : place + 1] for place in range(len(reply))) == whole


def test_a_reply_without_a_length_ends_with_its_connection() -> None:
    for place in range(1, len(UNTIL_CLOSE)):
        found = read([UNTIL_CLOSE[:place], UNTIL_CLOSE[place:]], is_closed=True)
        assert found == Read(200, {"server": "x"}, b"hello", True, False)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=6),
    is_chunked=st.booleans(),
    interims=st.lists(st.sampled_from([INTERIM, HINTS]), max_size=3),
    extension=st.sampled_from([b"", b";a", b';a="b c";d=e']),
    trailer=st.sampled_from([b"", b"X-T: 1\r\n"]),
    cuts=st.lists(st.integers(0, 3000), max_size=8),
)
def test_any_reply_split_anyhow_reads_the_same(
    chunks: list[bytes],
    is_chunked: bool,
    interims: list[bytes],
    extension: bytes,
    trailer: bytes,
    cuts: list[int],
) -> None:
    body = b"".join(chunks)
    framed = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if is_chunked:
        framed = OK + b"Transfer-Encoding: chunked\r\n\r\n"
        framed += chunked(chunks, extension, trailer)
    reply = b"".join(interims) + framed
    places = sorted({0, *(cut for cut in cuts if cut < len(reply)), len(reply)})
    pieces = [reply[a:b] for a, b in pairwise(places)]
    found = read(pieces)
    assert found == read([reply])
    assert (found.status, found.body, found.is_whole) == (200, body, True)


@pytest.mark.parametrize("reply", [LENGTH, CHUNKED], ids=["length", "chunked"])
def test_a_reply_cut_anywhere_is_never_whole(reply: bytes) -> None:
    for place in range(len(reply)):
        with pytest.raises(BrokenReplyError):
            read([reply[:place]] if place else [], is_closed=True)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_is_whole_at_once(status: int) -> None:
    found = read([b"HTTP/1.1 %d No\r\nContent-Length: 5\r\n\r\n" % status])
    assert found.is_whole
    assert found.is_reusable
    assert found.body == b""


def test_a_body_of_no_bytes_is_whole_at_once() -> None:
    assert read([OK + b"Content-Length: 0\r\n\r\n"]).is_whole


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["close", "1.0"],
)
def test_a_connection_that_the_server_will_close_is_not_used_again(
    reply: bytes,
) -> None:
    found = read([reply])
    assert (found.body, found.is_whole, found.is_reusable) == (b"hello", True, False)


CHUNKS = chunked([b"hello"], b"", b"")


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n" + CHUNKS,
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        OK + b"Content-Length: 5, 5 ,5\r\nServer: x\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nServer: x\r\ncontent-length:5\r\n\r\nhello",
        OK + b"Content-Length: 5\r\n" * 3 + b"\r\nhello",
        OK + b"Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello",
        HINTS + OK + b"Content-Length: 5, 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 103 -\r\nContent-Length: 7\r\n\r\n"
        + OK
        + b"Content-Length: 5, 5\r\n\r\nhello",
    ],
    ids=[
        *("both", "both, turned", "list", "twice", "thrice", "mixed", "hinted"),
        *("bare", "hinted at another"),
    ],
)
def test_a_body_that_is_framed_twice_is_read_and_ends_the_connection(
    reply: bytes,
) -> None:
    whole = read([reply])
    assert (whole.status, whole.body) == (200, b"hello")
    assert (whole.is_whole, whole.is_reusable) == (True, False)
    for place in range(1, len(reply)):
        assert read([reply[:place], reply[place:]]) == whole
    assert read(reply[place : place + 1] for place in range(len(reply))) == whole


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: 5, 55\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5,\r\n",
        b"Content-Length: 5x\r\n",
        b"Content-Length: -5\r\n",
    ],
)
def test_lengths_that_contradict_are_broken(lengths: bytes) -> None:
    reply = OK + lengths + b"\r\nhello"
    for place in range(len(reply)):
        with pytest.raises(BrokenReplyError):
            read([reply[:place], reply[place:]] if place else [reply])


def full_of(lengths: Iterable[int]) -> list[bytes]:
    told = (b"Content-Length: %d\r\n" % each for each in lengths)
    return [OK + b"".join(told) + b"\r\nhello"]


def test_a_head_full_of_lengths_holds_nobody_up() -> None:
    different, equal = full_of(range(5, 2505)), full_of([5] * 2500)
    for _ in range(150):  # so that a second for each exceeds the time limit of a test
        assert read(equal).body == b"hello"
        with pytest.raises(BrokenReplyError):
            read(different)


@pytest.mark.parametrize("junk", [b"x", b"\0\0", LENGTH, b"HTTP/1.1 200"])
@pytest.mark.parametrize("reply", [LENGTH, CHUNKED], ids=["length", "chunked"])
def test_what_follows_a_reply_unasked_is_not_part_of_it(
    reply: bytes, junk: bytes
) -> None:
    for pieces in ([reply + junk], [reply[:-3], reply[-3:] + junk]):
        found = read(pieces)
        assert (found.status, found.body) == (200, b"hello")
        assert found.is_whole
        assert not found.is_reusable


@pytest.mark.parametrize(
    "noise",
    [b"SSH-2.0-x\r\n", b"\x16\x03\x01", b"HTTP/9 0\r\n", b"<html>", b"HTTP/1.1 x\r\n"],
)
def test_what_is_no_http_is_broken(noise: bytes) -> None:
    with pytest.raises(BrokenReplyError, match="no HTTP"):
        read([noise + b"\r\n\r\n"])


def test_what_came_before_the_break_is_given_first() -> None:
    parser = ResponseParser()
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    assert parser.feed(memoryview(head + b"3\r\nhel\r\nno size\r\n")) == [b"hel"]
    with pytest.raises(BrokenReplyError, match="no HTTP"):
        parser.feed(memoryview(b"more"))
    with pytest.raises(BrokenReplyError, match="no HTTP"):
        parser.end()


def test_the_end_after_a_whole_reply_means_nothing_but_no_reuse() -> None:
    parser = ResponseParser()
    parser.feed(memoryview(LENGTH))
    parser.end()
    assert parser.is_whole
    assert not parser.is_reusable


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (OK, b"X-Filler: " + b"x" * 980 + b"\r\n"),
        (b"", INTERIM),
        (CHUNKED[: CHUNKED.index(b"X-Trailer")], b"X-T: " + b"x" * 980 + b"\r\n"),
    ],
    ids=["head", "interim", "trailers"],
)
def test_what_is_no_body_has_a_limit(start: bytes, endless: bytes) -> None:
    times = LARGEST_HEAD // len(endless) + 1
    with pytest.raises(BrokenReplyError, match="too large"):
        read([start, *[endless] * times])


def test_a_protocol_nobody_asked_for_is_a_reply_and_the_end_of_the_connection() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n"
    found = read([head + b"\r\n"])
    assert (found.status, found.is_whole, found.is_reusable) == (101, True, False)


def test_lines_may_end_as_careless_servers_end_them() -> None:
    found = read([b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"])
    assert (found.status, found.body, found.is_whole) == (200, b"hello", True)


def test_a_header_in_no_known_alphabet_is_kept() -> None:
    found = read([OK + "Server: \u56fe\r\n".encode() + b"X-Raw: \xff\r\n\r\n"])
    assert found.headers == {"server": "\u56fe", "x-raw": "\udcff"}


def test_every_exception_of_the_library_is_one_that_is_handled() -> None:
    raised = {
        each
        for each in vars(httptools).values()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    handled = (httptools.HttpParserError, httptools.HttpParserUpgrade)
    assert raised
    assert all(issubclass(each, handled) for each in raised)
