from __future__ import annotations

import base64
import json

import pytest

from batcher.sandbox.order import Order, read_document, read_order
from batcher.sandbox.reply import RefusalError

PNG = base64.b64encode(b"\x89PNG not really").decode()
LEAST: dict[str, object] = {"model": "gpt-image-2-pro", "prompt": "a fox"}


def order(**fields: object) -> Order:
    return read_order({**LEAST, **fields})


def refused(**fields: object) -> tuple[int, dict[str, object]]:
    with pytest.raises(RefusalError) as caught:
        order(**fields)
    reply = caught.value.reply
    error = json.loads(reply.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return reply.status, error


def test_what_is_not_sent_has_the_documented_default() -> None:
    assert order() == Order(model="gpt-image-2-pro", prompt="a fox")


@pytest.mark.parametrize(
    ("fields", "attribute", "expected"),
    [
        ({"n": 0}, "n", 1),
        ({"n": None}, "n", 1),
        ({"n": 10}, "n", 10),
        ({"size": "auto"}, "width", 1024),
        ({"size": ""}, "height", 1024),
        ({"size": "3840x3840"}, "height", 3840),
        ({"size": "1920x1080"}, "width", 1920),
        ({"quality": "auto"}, "quality", "medium"),
        ({"quality": "high"}, "quality", "high"),
        ({"response_format": "url"}, "response_format", "url"),
        ({"response_format": None}, "response_format", "b64_json"),
        ({"output_format": "webp"}, "output_format", "webp"),
        ({"background": {"a": 1}}, "background", {"a": 1}),
        ({"watermark": False}, "n", 1),
        ({"image": PNG}, "references", 1),
        ({"image": [PNG, f"data:image/png;base64,{PNG}"]}, "references", 2),
        ({"image": "https://example.com/a.png"}, "references", 1),
        ({"prompt": "x" * 32_000}, "model", "gpt-image-2-pro"),
    ],
    ids=str,
)
def test_a_field_is_read_as_documented(
    fields: dict[str, object], attribute: str, expected: object
) -> None:
    assert getattr(order(**fields), attribute) == expected


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "missing_required_parameter"),
        ({"prompt": 7}, "prompt", "invalid_request"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ({"n": -1}, "n", "invalid_request"),
        ({"n": 1.5}, "n", "invalid_request"),
        ({"n": "2"}, "n", "invalid_request"),
        ({"n": True}, "n", "invalid_request"),
        ({"n": 11}, "n", "integer_above_max_value"),
        ({"size": "16:9(4K)"}, "size", "invalid_value"),
        ({"size": "1024"}, "size", "invalid_value"),
        ({"size": "0x10"}, "size", "invalid_value"),
        ({"size": "3841x10"}, "size", "invalid_value"),
        ({"size": "1024×1024"}, None, "invalid_request"),  # noqa: RUF001 - the case
        ({"size": 1024}, "size", "invalid_request"),
        ({"watermark": "false"}, "watermark", "invalid_request"),
        ({"response_format": "base64"}, "response_format", "invalid_value"),
        ({"output_format": "gif"}, "output_format", "invalid_value"),
        ({"image": "not Base64!"}, "image", "invalid_base64"),
        ({"image": ""}, "image", "invalid_base64"),
        ({"image": [PNG, 1]}, "image", "invalid_request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_field_is_refused_by_name(
    fields: dict[str, object], param: str | None, code: str
) -> None:
    status, error = refused(**fields)
    assert (status, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff"], ids=repr)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(RefusalError) as caught:
        read_document(body)
    assert caught.value.reply.status == 400


def test_unknown_fields_are_dropped_as_new_api_does() -> None:
    assert order(seed=7, style={}) == order()
