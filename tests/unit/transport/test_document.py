from __future__ import annotations

import json
import math

import pytest

from batcher.transport.document import read_document


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="plain"),
        pytest.param(b'\xef\xbb\xbf\n \r\n{"a": 1}', {"a": 1}, id="BOM and blanks"),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="duplicate keys"),
        pytest.param(b'{"a": "x\ny"}', {"a": "x\ny"}, id="raw line break"),
        pytest.param(b'{"a": "\xff"}', {"a": "\ufffd"}, id="not UTF-8"),
        pytest.param(b'{"a": 1}\n\nnginx', {"a": 1}, id="something after it"),
        pytest.param(b'{"a": -1234567890}', {"a": -1234567890}, id="number"),
        pytest.param(b'{"a": %s}' % (b"9" * 30), {"a": 1e30}, id="large number"),
        pytest.param(b'{"a": %s}' % (b"9" * 9999), {"a": math.inf}, id="huge number"),
    ],
)
def test_json_is_read_forgivingly(body: bytes, value: object) -> None:
    document = read_document(body)
    assert document.values == (value,)
    assert document.complete
    assert not document.is_stream


def test_nan_is_a_number() -> None:
    (value,) = read_document(b'{"a": NaN}').values
    assert json.dumps(value) == '{"a": NaN}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="blank"),
        pytest.param(b"<html>502</html>", id="HTML"),
        pytest.param(b"{'error': {'message': None}}", id="Python repr"),
        pytest.param(b'{"data": [{"url": "http', id="cut"),
        pytest.param(b"[" * 100_000, id="nested too deep, and cut"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested too deep"),
        pytest.param(b"null", id="null"),
    ],
)
def test_what_cannot_be_read_is_incomplete_and_keeps_its_text(body: bytes) -> None:
    document = read_document(body)
    assert document.values == ()
    assert not document.complete
    assert document.text == body.decode().lstrip()


COMPLETED = '{"type": "image_generation.completed"}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"data: {COMPLETED}\n\ndata: [DONE]\n\n", id="data only"),
        pytest.param(f"\n\ndata:{COMPLETED}", id="blank lines first, no last one"),
        pytest.param(f": wait\n\nid: 1\r\ndata: {COMPLETED}\r\n\r\n", id="CRLF"),
        pytest.param(
            'data: {"type":\ndata: "image_generation.completed"}\n\n', id="two lines"
        ),
        pytest.param("event: image_generation.completed\ndata: {}\n\n", id="named"),
    ],
)
def test_an_event_stream_is_read(body: str) -> None:
    document = read_document(body.encode())
    assert document.values == ({"type": "image_generation.completed"},)
    assert document.complete
    assert document.is_stream


def test_events_without_blank_lines_between_them_are_told_apart() -> None:
    document = read_document(b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n')
    assert document.values == ({"a": 1}, {"b": 2})


def test_a_stream_that_breaks_off_keeps_what_it_brought() -> None:
    document = read_document(b'data: {"a": 1}\n\ndata: {"b": 2}\ndata: {"c"')
    assert document.values == ({"a": 1}, {"b": 2})
    assert not document.complete


def test_an_events_own_type_counts_more_than_its_name() -> None:
    document = read_document(b'event: error\ndata: {"type": "x"}\n\nevent: y\n\n')
    assert document.values == ({"type": "x"},)


def test_a_stream_of_nothing_is_incomplete() -> None:
    document = read_document(b": wait\n\n: wait\n\n")
    assert document.is_stream
    assert not document.complete
