from __future__ import annotations

import pytest

from batcher.transport.document import read_document
from batcher.transport.errorbody import ErrorBody, parameter_refused, read_error


def read(body: str) -> ErrorBody:
    return read_error(read_document(body.encode()))


def raw(body: str) -> ErrorBody:
    return ErrorBody(message=body, is_raw=True)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(
            '{"error":{"message":"m","type":"t","param":"p","code":"c"}}',
            ErrorBody(message="m", code="c", type="t", param="p"),
            id="OpenAI",
        ),
        pytest.param(
            '{"error":{"message":"m","type":"new_api_error","param":"","code":null}}',
            ErrorBody(message="m", type="new_api_error"),
            id="new-api without a code",
        ),
        pytest.param(
            '{"error":{"message":"m","type":"","code":""}}',
            ErrorBody(message="m"),
            id="everything empty",
        ),
        pytest.param(
            '{"error":{"message":"m","type":"None","param":"None","code":"400"}}',
            ErrorBody(message="m", status=400),
            id="LiteLLM",
        ),
        pytest.param(
            '{"error":{"message":"m","code":429,"status":"RESOURCE_EXHAUSTED"}}',
            ErrorBody(message="m", type="RESOURCE_EXHAUSTED", status=429),
            id="Google",
        ),
        pytest.param(
            '[{"error":{"message":"m","code":400}}]',
            ErrorBody(message="m", status=400),
            id="Google in a list",
        ),
        pytest.param(
            '{"error":{"message":"m","code":30001}}',
            ErrorBody(message="m", code="30001"),
            id="a number that is no status",
        ),
        pytest.param(
            '{"error":{"message":"m","code":true}}',
            ErrorBody(message="m"),
            id="a code that is no code",
        ),
        pytest.param(
            '{"error":"a sentence"}', ErrorBody(message="a sentence"), id="text"
        ),
        pytest.param(
            '{"error":"insufficient_quota"}',
            ErrorBody(message="insufficient_quota", code="insufficient_quota"),
            id="identifier",
        ),
        pytest.param(
            '{"statusCode":400,"error":"Bad Request","message":"m"}',
            ErrorBody(message="m", status=400),
            id="Nest",
        ),
        pytest.param(
            '{"success":false,"message":"m"}',
            ErrorBody(message="m"),
            id="success false",
        ),
        pytest.param('{"success":false}', ErrorBody(message=""), id="nothing said"),
        pytest.param(
            '{"code":401,"msg":"m","data":null}',
            ErrorBody(message="m", status=401),
            id="flat, with a status",
        ),
        pytest.param(
            '{"code":"c","message":"m"}', ErrorBody(message="m", code="c"), id="flat"
        ),
        pytest.param('{"err":"m"}', ErrorBody(message="m"), id="err"),
        pytest.param('{"error_msg":"m"}', ErrorBody(message="m"), id="error_msg"),
        pytest.param('{"detail":"m"}', ErrorBody(message="m"), id="detail"),
        pytest.param(
            '{"detail":[{"loc":["body","n"],"msg":"m"},{"msg":"k"}]}',
            ErrorBody(message="m; k"),
            id="FastAPI",
        ),
        pytest.param(
            '{"detail":{"error":{"message":"m","code":"c"}}}',
            ErrorBody(message="m", code="c"),
            id="error inside of detail",
        ),
        pytest.param('{"header":{"message":"m"}}', ErrorBody(message="m"), id="header"),
        pytest.param(
            '{"type":"response.failed","response":{"error":{"code":"c","message":"m"}}}',
            ErrorBody(message="m", code="c", type="response.failed"),
            id="inside of response",
        ),
        pytest.param(
            '{"error":{"message":{"message":"m"}}}', ErrorBody(message="m"), id="nested"
        ),
        pytest.param(
            '{"error":{"code":"c"}}', ErrorBody(message="", code="c"), id="mute"
        ),
        pytest.param(
            '{"error":' * 9 + '{"message":"m"}' + "}" * 9,
            ErrorBody(message=""),
            id="nested too deep",
        ),
        pytest.param("<html>", raw("<html>"), id="HTML"),
        pytest.param("", raw(""), id="empty"),
        pytest.param("{}", raw("{}"), id="empty object"),
        pytest.param('{"data":[]}', raw('{"data":[]}'), id="no error"),
    ],
)
def test_an_error_is_read_in_every_shape(body: str, error: ErrorBody) -> None:
    assert read(body) == error


@pytest.mark.parametrize(
    ("error", "name"),
    [
        pytest.param(
            ErrorBody(
                message="Unknown parameter: 'response_format'.",
                code="unknown_parameter",
                param="response_format",
            ),
            "response_format",
            id="OpenAI",
        ),
        pytest.param(
            ErrorBody(message="no", code="unknown_parameter", param="style"),
            "style",
            id="by param alone",
        ),
        pytest.param(
            ErrorBody(message="Unknown parameter: 'tools[0].n'."),
            "tools[0].n",
            id="Codex",
        ),
        pytest.param(
            ErrorBody(message="Unrecognized request argument supplied: watermark"),
            "watermark",
            id="older OpenAI",
        ),
        pytest.param(
            ErrorBody(message="Unsupported parameter: 'background' is not supported"),
            "background",
            id="unsupported",
        ),
        pytest.param(
            ErrorBody(message="Invalid value", code="invalid_value", param="size"),
            None,
            id="a wrong value",
        ),
    ],
)
def test_a_refused_parameter_is_named(error: ErrorBody, name: str | None) -> None:
    assert parameter_refused(error) == name


def test_a_body_that_is_no_text_is_not_shown() -> None:
    picture = bytes(range(128, 256))
    found = read_error(read_document(picture))
    assert found.message == "a body that is no text"
