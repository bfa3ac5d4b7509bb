from __future__ import annotations

import base64
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.base64stream import Base64Stream, unescape


def decode(*pieces: bytes) -> bytes | None:
    """Give what the stream decodes, or None when it finds a defect."""
    stream = Base64Stream()
    decoded = b"".join(stream.feed(piece) for piece in pieces) + stream.end()
    return decoded if stream.defect is None else None


def plain_decode(text: str) -> bytes | None:
    """Decode as the stream should, in one go."""
    text = re.sub(r"\s", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    if not re.fullmatch("[A-Za-z0-9+/]*", text) or len(text) % 4 == 1:
        return None
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"+/+/QUJDRA==", id="standard"),
        pytest.param(b"-_-_QUJDRA==", id="url-safe"),
        pytest.param(b"+/+/QUJDRA", id="unpadded"),
        pytest.param(b"+/+/QUJDRA=", id="half padded"),
        pytest.param(b"+/+/QUJDRA====", id="padded too much"),
        pytest.param(b"+/+/\r\nQUJD\r\nRA==\r\n", id="raw line breaks"),
        pytest.param(rb"+/+/\nQU\r\nJDRA\t==\n", id="escaped line breaks"),
        pytest.param(rb"+\/+\/QUJDRA==", id="escaped slashes"),
        pytest.param(rb"\u002B\u002f\u002b\u002FQUJDRA\u003d\u003D", id="\\u escapes"),
        pytest.param(rb"+/+/\u0051UJDRA==", id="an escaped letter"),
        pytest.param(b" +/+/QU JD RA = = ", id="blanks everywhere"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
def test_every_spelling_gives_the_same_bytes(text: bytes, step: int) -> None:
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    assert decode(*pieces) == b"\xfb\xff\xbfABCD"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"QUJD%%%%"], id="foreign characters"),
        pytest.param([b"QUJDR"], id="one digit left over"),
        pytest.param([b"QUJDR==="], id="one digit, padded"),
        pytest.param([b"QQ==QUJD"], id="goes on after padding"),
        pytest.param([b"QQ", b"==QUJD"], id="goes on after padding cut in two"),
        pytest.param([b"QQ==", b"QUJD"], id="goes on in the next piece"),
        pytest.param([b"QQ==", b"Q"], id="goes on with a digit"),
        pytest.param([b"QQ=", b"=\n", b"QUJD"], id="goes on after a line break"),
        pytest.param([b"QUJD\\"], id="ends in a backslash"),
        pytest.param([rb"QUJD\u00"], id="ends in half an escape"),
        pytest.param([rb"QU\\\/D"], id="an escaped backslash"),
        pytest.param([rb"QUJ\""], id="an escaped quote"),
        pytest.param([rb"QUJD\u00e9"], id="an escaped letter outside ASCII"),
        pytest.param([rb"QUJD\u4e2d"], id="an escaped character above Latin-1"),
    ],
)
def test_what_is_no_base64_is_a_defect(pieces: list[bytes]) -> None:
    assert decode(*pieces) is None


def test_nothing_is_decoded_after_a_defect() -> None:
    stream = Base64Stream()
    assert stream.feed(b"%%%%") == b""
    assert stream.feed(b"QUJD") == b""
    assert stream.end() == b""
    assert stream.defect == "not Base64"


def test_an_empty_text_is_no_bytes() -> None:
    assert decode() == b""
    assert decode(b"") == b""


def test_plain_text_passes_unescape_untouched() -> None:
    assert unescape(b"QUJD") == b"QUJD"


@given(st.data(), st.text("AQx+/-_= \n%", max_size=40))
def test_the_stream_equals_the_plain_decoder_wherever_it_is_cut(
    data: st.DataObject, text: str
) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    edges = [0, *cuts, len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(edges)]
    assert decode(*pieces) == plain_decode(text)
