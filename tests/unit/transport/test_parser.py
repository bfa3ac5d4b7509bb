from __future__ import annotations

import base64
import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.transport.parser import (
    IMAGE_KEYS,
    LOCATION_KEYS,
    ImageData,
    ImageEnded,
    ImageStarted,
    ReplyLimitError,
    ReplyLimits,
    ReplyParser,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batcher.transport.document import Document

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
TEXT = base64.b64encode(PNG).decode()


def parse(chunks: Iterable[bytes | memoryview]) -> tuple[Document, list[bytes | None]]:
    """Give the document and each image's bytes, None for one with a defect."""
    parser = ReplyParser()
    open_images: dict[int, bytearray] = {}
    images: list[bytes | None] = []
    for chunk in chunks:
        for event in parser.feed(chunk):
            if isinstance(event, ImageStarted):
                open_images[event.number] = bytearray()
            elif isinstance(event, ImageData):
                assert event.data
                open_images[event.number] += event.data
            else:
                assert event.number == len(images)
                decoded = bytes(open_images.pop(event.number))
                assert event.size == len(decoded)
                images.append(None if event.defect else decoded)
    document = parser.finish()
    assert len(document.defects) == len(images) + len(open_images)
    return document, images


def image_field(text: str) -> str:
    return f'{{"b64_json":"{text}"}}'


def in_pieces(body: bytes, step: int) -> list[bytes]:
    return [body[i : i + step] for i in range(0, len(body), step)]


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(f'{{"b64_json":"{TEXT}"}}', id="compact"),
        pytest.param(f'{{ \n\t"b64_json" \n : \r\n "{TEXT}" }}', id="spread out"),
        pytest.param(
            f'{{"revised_prompt":"a","b64_json":"{TEXT}","url":""}}', id="amid others"
        ),
        pytest.param(image_field(TEXT.replace("/", "\\/")), id="escaped slashes"),
        pytest.param(
            image_field(TEXT.replace("+", "\\u002B").replace("=", "\\u003d")),
            id="unicode escapes",
        ),
        pytest.param(f'{{"b64_json":"data:image/png;base64,{TEXT}"}}', id="prefixed"),
        pytest.param(f'{{"url":"data:image\\/png;base64,{TEXT}"}}', id="data URI"),
        pytest.param(f'{{"image_url":{{"url":"DATA:;base64,{TEXT}"}}}}', id="nested"),
        pytest.param(f'{{"url":"{TEXT}"}}', id="bare Base64 as an address"),
        pytest.param(f'{{"image_base64":"{TEXT}"}}', id="another field"),
        pytest.param(
            image_field("\\n".join(re.findall(".{1,76}", TEXT))),
            id="broken into lines",
        ),
        pytest.param(
            image_field(TEXT.rstrip("=").replace("+", "-").replace("/", "_")),
            id="URL-safe and unpadded",
        ),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 100, 511, 1 << 20])
def test_an_image_is_taken_out_in_every_spelling(entry: str, step: int) -> None:
    body = f'\ufeff\n\n {{"created": 1, "data": [{entry}], "usage": {{}}}}\n'.encode()
    document, images = parse(in_pieces(body, step))
    assert images == [PNG]
    assert document.complete
    assert TEXT[:8] not in document.text
    assert '"data:0"' in document.text


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param('{"b64_json":"","url":"https://x/y.png"}', id="empty and url"),
        pytest.param('{"b64_json":null,"url":null}', id="null"),
        pytest.param('{"b64_json":"https://x/y.png"}', id="address as Base64"),
        pytest.param('{"url":"/files/x.png"}', id="path"),
        pytest.param('{"prompt":"\\"b64_json\\":\\"QUJD\\""}', id="quoted in a prompt"),
        pytest.param(
            '{"prompt":", \\"b64_json\\": \\"QUJD\\", "}', id="quoted after a comma"
        ),
        pytest.param('{"x\\"b64_json":"QUJD"}', id="a key that ends alike"),
        pytest.param('{"b64_json_":"QUJD"}', id="a longer key"),
        pytest.param('["b64_json","QUJD"]', id="no key at all"),
        pytest.param('{"b64_json":["QUJD"]}', id="a list"),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_what_is_no_image_stays_as_it_is(entry: str, step: int) -> None:
    body = f'{{"data":[{entry}]}}'.encode()
    document, images = parse(in_pieces(body, step))
    assert images == []
    assert document.text == body.decode()


def test_images_are_numbered_in_order_and_told_apart_from_their_neighbours() -> None:
    body = json.dumps(
        {
            "data": [
                {"b64_json": base64.b64encode(bytes([n])).decode()} for n in range(9)
            ]
        }
    ).encode()
    document, images = parse([body])
    assert images == [bytes([n]) for n in range(9)]
    assert document.values == ({"data": [{"b64_json": f"data:{n}"} for n in range(9)]},)


def test_a_bad_image_leaves_its_neighbours_whole() -> None:
    entries = ",".join(map(image_field, ["QUJD", r"QUJD\"%%\\", "RA=="]))
    body = f'{{"data":[{entries}]}}'
    for step in (1, 1000):
        document, images = parse(in_pieces(body.encode(), step))
        assert images == [b"ABC", None, b"D"]
        assert document.defects == (None, "not Base64", None)
        assert document.complete


def test_a_quote_is_escaped_also_when_its_backslash_came_in_the_chunk_before() -> None:
    head = b'{"b64_json":"' + b"QUJD" * 200 + b"\\"
    document, images = parse([head, b'"AAA",', b'"created":7}'])
    assert images == [None]
    assert document.values == ({"b64_json": "data:0", "created": 7},)


def test_a_body_that_breaks_off_is_incomplete_and_its_image_cut() -> None:
    body = f'{{"data":[{{"b64_json":"{TEXT}"}},{{"b64_json":"{TEXT}'.encode()
    document, images = parse([body])
    assert images == [PNG]
    assert document.defects == (None, "cut off")
    assert not document.complete


def test_a_memoryview_will_do() -> None:
    _, images = parse([memoryview(f'{{"b64_json":"{TEXT}"}}'.encode())])
    assert images == [PNG]


def test_events_come_as_the_bytes_arrive() -> None:
    parser = ReplyParser()
    first = parser.feed(b'{"b64_json":"' + b"QUJD" * 200)
    assert first == [
        ImageStarted(number=0),
        ImageData(number=0, data=b"ABC" * 200),
    ]
    assert parser.feed(b"RA") == []
    assert parser.feed(b'=="}') == [
        ImageData(number=0, data=b"D"),
        ImageEnded(number=0, size=601),
    ]


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (ReplyLimits(reply=1000), "reply"),
        (ReplyLimits(image=1000), "image"),
        (ReplyLimits(rest=1000), "rest"),
    ],
    ids=["reply", "image", "rest"],
)
def test_each_limit_is_kept_and_what_arrived_can_be_finished(
    limits: ReplyLimits, what: str
) -> None:
    parser = ReplyParser(limits=limits)
    body = json.dumps({"data": [{"b64_json": TEXT}], "padding": "x" * 5000}).encode()
    chunks = map(parser.feed, in_pieces(body, 100))
    with pytest.raises(ReplyLimitError, match=f"{what} is larger than 1000 bytes"):
        list(chunks)
    assert not parser.finish().complete


def test_what_is_held_does_not_grow_with_the_image() -> None:
    parser = ReplyParser(limits=ReplyLimits(rest=100))
    parser.feed(b'{"b64_json":"')
    for _ in range(1000):
        parser.feed(b"QUJD" * 1000)
    parser.feed(b'"}')
    assert parser.finish().values == ({"b64_json": "data:0"},)


# The law: the parser equals the plain way, json.loads and b64decode of the whole body.

HOSTILE = st.sampled_from(
    [
        '{"b64_json":"QUJD"}',
        ', "url": "data:image/png;base64,QUJD"',
        '\\", "b64_json": "QUJD',
        "data:0",
        "\\",
        "\\\\",
        '"',
    ]
)
TEXTS = HOSTILE | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
BASE64 = st.one_of(
    st.binary(max_size=900).map(lambda b: base64.b64encode(b).decode()),
    st.binary(max_size=30).map(lambda b: base64.urlsafe_b64encode(b).decode()),
    st.binary(max_size=30).map(lambda b: base64.b64encode(b).decode().rstrip("=")),
    st.binary(max_size=200).map(lambda b: base64.encodebytes(b).decode()),
    st.text("AQ=%/+", max_size=9),
)
IMAGES = st.tuples(
    st.sampled_from(["", "", "data:image/png;base64,", "data:,"]), BASE64
).map("".join)
ADDRESSES = st.sampled_from(["", "https://x/y?a=b", "file.png", None])
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "b64_json": IMAGES | st.none(),
        "url": ADDRESSES | BASE64.map("data:image/png;base64,{}".format),
        "image_base64": IMAGES,
        "revised_prompt": TEXTS,
        "number": st.integers(),
    },
)
REPLIES = st.fixed_dictionaries(
    {"data": st.lists(ENTRIES, max_size=3)},
    optional={
        "created": st.integers(),
        "usage": st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=3),
        "size": TEXTS,
        "b64_json": IMAGES,
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Give a reply in one of the many ways to write it."""
    reply = draw(REPLIES)
    keys = draw(st.permutations(list(reply)))
    text = json.dumps(
        {key: reply[key] for key in keys},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 0, 2, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (", ", " : ")])),
    )
    for character, escape in (("/", "\\/"), ("+", "\\u002b"), ("=", "\\u003D")):
        if draw(st.booleans()):
            text = text.replace(character, escape)
    return draw(st.sampled_from(["", "\ufeff", "\n \r\n"])).encode() + text.encode()


@st.composite
def cut_up(draw: st.DrawFn, body: st.SearchStrategy[bytes]) -> list[bytes]:
    """Give a body in pieces."""
    whole = draw(body)
    if draw(st.integers(0, 9)) == 0:
        return in_pieces(whole, 1)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = [0, *cuts, len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(edges)]


def plainly(value: object, images: list[bytes | None]) -> object:
    """Take the images out of a parsed reply, as the parser should."""
    if isinstance(value, list):
        return [plainly(part, images) for part in value]
    if not isinstance(value, dict):
        return value
    taken: dict[str, object] = {}
    for key, part in value.items():
        if isinstance(part, str) and is_image(key, part):
            taken[key] = f"data:{len(images)}"
            images.append(plain_decode(part))
        else:
            taken[key] = plainly(part, images)
    return taken


def is_image(key: str, text: str) -> bool:
    if key in IMAGE_KEYS:
        return bool(text) and not text.startswith("https:")
    return key in LOCATION_KEYS and text.startswith("data:")


def plain_decode(text: str) -> bytes | None:
    text = re.sub(r"^data:[^,]*,|\s", "", text).translate(str.maketrans("-_", "+/"))
    text = text.rstrip("=")
    if not re.fullmatch("[A-Za-z0-9+/]*", text) or len(text) % 4 == 1:
        return None
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


@given(cut_up(bodies()))
def test_the_streamed_parser_equals_the_plain_one(chunks: list[bytes]) -> None:
    expected: list[bytes | None] = []
    plain = json.loads(b"".join(chunks).decode("utf-8-sig"))
    value = plainly(plain, expected)
    document, images = parse(chunks)
    assert images == expected
    assert repr(document.values[0]) == repr(big_numbers_as_floats(value))


def big_numbers_as_floats(value: object) -> object:
    if isinstance(value, dict):
        return {key: big_numbers_as_floats(part) for key, part in value.items()}
    if isinstance(value, list):
        return [big_numbers_as_floats(part) for part in value]
    is_big = isinstance(value, int) and len(str(value)) > 18
    return float(value) if is_big and isinstance(value, int) else value
