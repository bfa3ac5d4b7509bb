from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.models import Failure
from batcher.transport.errorbody import ErrorBody, parameter_refused, read_error
from batcher.transport.failure import classify
from batcher.transport.parser import ReplyLimitError, ReplyLimits, ReplyParser
from batcher.transport.reply import Reply, ReplyImage, interpret


def read(body: str | bytes) -> Reply | ErrorBody:
    parser = ReplyParser()
    parser.feed(body.encode() if isinstance(body, str) else body)
    return interpret(parser.finish())


def read_entries(*entries: object) -> Reply:
    reply = read(json.dumps({"created": 1, "data": list(entries)}))
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize(
    ("entry", "image"),
    [
        pytest.param(
            {"b64_json": "QUJD", "revised_prompt": "a cat"},
            ReplyImage(index=0, number=0, revised_prompt="a cat"),
            id="Base64",
        ),
        pytest.param(
            {"url": "", "b64_json": "QUJD", "revised_prompt": ""},
            ReplyImage(index=0, number=0),
            id="Base64 beside an empty url",
        ),
        pytest.param(
            {"url": "https://x/y.png", "b64_json": ""},
            ReplyImage(index=0, url="https://x/y.png"),
            id="url beside empty Base64",
        ),
        pytest.param(
            {"url": "https://x/y.png", "b64_json": "QUJD"},
            ReplyImage(index=0, number=0, url="https://x/y.png"),
            id="both",
        ),
        pytest.param(
            {"url": "https://x/y.png", "b64_json": "%"},
            ReplyImage(index=0, url="https://x/y.png"),
            id="url beside broken Base64",
        ),
        pytest.param(
            {"url": "data:image/png;base64,QUJD"},
            ReplyImage(index=0, number=0),
            id="data: URI",
        ),
        pytest.param(
            {"url": "data:image/png;base64,QUJD", "b64_json": "RA=="},
            ReplyImage(index=0, number=1),
            id="both as Base64",
        ),
        pytest.param(
            {"b64_json": " https://x/y.png "},
            ReplyImage(index=0, url="https://x/y.png"),
            id="address in the Base64 field",
        ),
        pytest.param(
            {"url": "https://x/\ud800.png"},
            ReplyImage(index=0, url="https://x/?.png"),
            id="half a character in an address",
        ),
        pytest.param(
            {"image_url": {"url": "https://x/y.png"}},
            ReplyImage(index=0, url="https://x/y.png"),
            id="nested address",
        ),
        pytest.param(
            "https://x/y.png",
            ReplyImage(index=0, url="https://x/y.png"),
            id="bare address",
        ),
    ],
)
def test_an_image_is_found_in_every_carrier(entry: object, image: ReplyImage) -> None:
    reply = read_entries(entry)
    assert reply.images == reply.usable == (image,)


@pytest.mark.parametrize(
    ("entry", "defect"),
    [
        ({"url": "", "b64_json": ""}, "no image in it"),
        ({"url": None, "b64_json": None}, "no image in it"),
        ({"b64_json": "QUJD%"}, "not Base64"),
        ({"url": "not yet"}, "neither Base64 nor a web address"),
    ],
    ids=["empty", "null", "broken", "words"],
)
def test_an_entry_without_an_image_is_flagged_and_leaves_the_others(
    entry: object, defect: str
) -> None:
    reply = read_entries({"b64_json": "QUJD"}, entry, {"b64_json": "RA=="})
    assert [image.defect for image in reply.images] == [None, defect, None]
    assert [image.index for image in reply.usable] == [0, 2]


def test_a_placeholder_that_the_gateway_wrote_itself_is_no_image() -> None:
    reply = read(r'{"data":[{"\u0075rl":"data:0"}]}')
    assert isinstance(reply, Reply)
    assert reply.images[0].defect == "neither Base64 nor a web address"


@pytest.mark.parametrize(
    "body",
    [
        '{"data":[]}',
        '{"data":null}',
        '{"created":1}',
        "{}",
        '{"data":"x"}',
        "[]",
        "[1]",
    ],
)
def test_no_image_and_no_error_is_a_reply_without_images(body: str) -> None:
    reply = read(body)
    assert isinstance(reply, Reply)
    assert reply.images == ()
    assert reply.complete


@pytest.mark.parametrize(
    "body",
    [
        '[{"b64_json":"QUJD"}]',
        '{"b64_json":"QUJD"}',
        '{"images":[{"b64_json":"QUJD"}]}',
        '{"data":{"b64_json":"QUJD"}}',
        '{"code":0,"msg":"success","data":[{"b64_json":"QUJD"}]}',
        '{"error":{"message":"the second failed"},"data":[{"b64_json":"QUJD"}]}',
        '{"error":null,"data":[{"b64_json":"QUJD"}]}',
    ],
)
def test_an_image_is_found_in_every_envelope(body: str) -> None:
    reply = read(body)
    assert isinstance(reply, Reply)
    assert reply.images == (ReplyImage(index=0, number=0),)


def test_what_the_gateway_says_of_the_image_is_kept() -> None:
    reply = read(
        '{"created":1713833628,"background":"opaque","output_format":"png",'
        '"quality":"medium","size":"1024x1024","data":[{"b64_json":"QUJD"}],'
        '"usage":{"total_tokens":100,"cost":"0.1","none":null,"ratio":NaN,'
        '"input_tokens_details":{"text_tokens":10,"list":[1],"a":{"b":{"c":1}}}}}'
    )
    assert isinstance(reply, Reply)
    assert reply.quality == "medium"
    assert reply.usage is not None
    assert reply.usage["total_tokens"] == 100
    assert reply.usage["input_tokens_details"] == {"text_tokens": 10, "a": {}}
    assert set(reply.usage) == {"total_tokens", "cost", "input_tokens_details"}


def test_half_a_character_in_a_text_does_not_reach_the_ledger() -> None:
    reply = read(
        r'{"data":[{"b64_json":"QUJD","revised_prompt":"\ud83d\ude00 \ud83d"}]}'
    )
    assert isinstance(reply, Reply)
    assert reply.images[0].revised_prompt == "😀 ?"


STREAM = """event: image_generation.partial_image
data: {"type":"image_generation.partial_image","b64_json":"UUFR","size":"auto"}

event: image_generation.completed
data: {"type":"image_generation.completed","b64_json":"QUJD","size":"1024x1024",\
"created_at":7,"usage":{"total_tokens":3}}

data: [DONE]
"""


def test_a_streams_previews_are_no_images() -> None:
    reply = read(STREAM)
    assert isinstance(reply, Reply)
    assert reply.images == (ReplyImage(index=0, number=1),)
    assert reply.usage == {"total_tokens": 3}
    assert reply.complete


@pytest.mark.parametrize("kind", ["", '"type":null,', '"type":"",'])
def test_a_preview_is_told_by_its_number_where_no_type_tells(kind: str) -> None:
    preview = f'{{{kind}"b64_json":"UUFR","partial_image_index":0}}'
    reply = read(f'data: {preview}\n\ndata: {{"b64_json":"QUJD"}}\n\n')
    assert isinstance(reply, Reply)
    assert reply.images == (ReplyImage(index=0, number=1),)
    assert isinstance(read(f"data: {preview}\n\n"), ErrorBody)


def test_a_finished_image_is_none_the_less_for_a_previews_number() -> None:
    reply = read(
        'data: {"type":"image_generation.completed","b64_json":"QUJD",'
        '"partial_image_index":0}\n\n'
    )
    assert isinstance(reply, Reply)
    assert reply.images == (ReplyImage(index=0, number=0),)


def test_a_stream_may_bring_a_plain_reply() -> None:
    reply = read('data: {"created":1,"data":[{"b64_json":"QUJD"}]}\n\n')
    assert isinstance(reply, Reply)
    assert reply.images == (ReplyImage(index=0, number=0),)


def test_a_stream_that_ends_without_an_image_is_an_error() -> None:
    error = read(STREAM[: STREAM.index("event: image_generation.completed")])
    assert isinstance(error, ErrorBody)
    assert error.message == "the event stream ended without an image"


def test_a_streams_error_is_an_error() -> None:
    error = read('event: error\ndata: {"error":{"code":"c","message":"m"}}\n\n')
    assert error == ErrorBody(message="m", code="c", type="error")


def test_a_stream_whose_images_are_broken_and_that_was_cut_is_an_error() -> None:
    body = 'data: {"data":[{"b64_json":"UUFR"},{}]}\n\ndata: {"b64_json":"%"}\n\n'
    assert isinstance(read(body), Reply)
    error = read('data: {"b64_json":"%"}\n\ndata: {"b64_json":"QUJD"')
    assert isinstance(error, ErrorBody)


def test_images_that_arrived_before_the_body_broke_off_are_not_lost() -> None:
    reply = read('{"data":[{"b64_json":"%"},{"b64_json":"QUJD"},{"revised_prom')
    assert reply == Reply(images=(ReplyImage(index=0, number=1),), complete=False)


@pytest.mark.parametrize(
    "body",
    [
        '{"error":{"message":"m","type":"t","param":"p","code":"c"}}',
        '\n\n\n{"data":[],"error":{"message":"m","type":"t","param":"p","code":"c"}}',
        '{"data":[{"error":{"message":"m","type":"t","param":"p","code":"c"}}]}',
        '{"data":[{"b64_json":"","message":"m","type":"t","param":"p","code":"c"}]}',
    ],
)
def test_a_2xx_body_with_an_error_and_no_image_is_an_error(body: str) -> None:
    assert read(body) == ErrorBody(message="m", code="c", type="t", param="p")


@pytest.mark.parametrize("body", ["", "<html></html>", "{'error': 1}", '"x"', "7"])
def test_a_body_that_cannot_be_read_is_an_error(body: str) -> None:
    assert read(body) == ErrorBody(message=body, is_raw=True)


# Whatever arrives, the answer is a value.

SAMPLES = [
    STREAM.encode(),
    b'{"created":1,"data":[{"b64_json":"QUJD","revised_prompt":"a \\"b\\""}]}',
    b'{"data":[{"url":"data:image/png;base64,QUJD"}],"usage":{"n":[1e5,{"a":null}]}}',
    b'{"error":{"message":"m","type":"t","param":null,"code":429},"detail":[{"msg":1}]}',
    b'{"success":false,"message":"\\ud800\\u001b[31m","response":{"error":[[{}]]}}',
]
PIECES = st.sampled_from(
    [
        b'"',
        b"\\",
        b"\\u00",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\n\n",
        b"data: ",
        b"\xff",
        b'"b64_json":"',
        b'"url":"data:',
        b"null",
        b"NaN",
        b"1e999",
        b"9" * 30,
        b"[" * 5000,
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Give a reply with some of its bytes cut, doubled or replaced."""
    body = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        body = body[:start] + draw(PIECES | st.binary(max_size=4)) + body[end:]
    return body


@given(mutated() | st.binary(max_size=300), st.integers(1, 300), st.integers(0, 600))
def test_no_body_raises_anything_but_the_limit(
    body: bytes, step: int, status: int
) -> None:
    parser = ReplyParser(limits=ReplyLimits(reply=4000, image=100, rest=3000))
    try:
        for start in range(0, len(body), step):
            parser.feed(body[start : start + step])
    except ReplyLimitError:
        pass
    document = parser.finish()
    found = interpret(document)
    if isinstance(found, Reply):
        msgspec.json.encode(found)  # so the ledger can hold it
    error = found if isinstance(found, ErrorBody) else read_error(document)
    failure = classify(
        status, error, {"retry-after": body[:9].decode("latin-1")}, now=0
    )
    assert isinstance(failure, Failure)
    assert 0 < len(failure.message) <= 500
    assert failure.message.isprintable()
    msgspec.json.encode(failure)
    parameter_refused(error)
