"""Whatever a gateway sends, the ledger can hold what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from batcher.ledger import Standings
from batcher.ledger.event import (
    ErrorRecord,
    Event,
    Reply,
    Result,
    Retry,
    Unknown,
    encode,
)
from batcher.models import Failure, Request, Status
from batcher.pricing import Price, cost
from batcher.transport import reply
from batcher.transport.document import read_document
from batcher.transport.errorbody import ErrorBody, read_error
from batcher.transport.failure import classify
from batcher.transport.hint import request_id
from batcher.transport.parser import ReplyParser

AT = datetime(2026, 11, 22, tzinfo=UTC)
ASKED = Request(
    id="a",
    name="fox",
    body={"model": "gpt-image-2-pro", "prompt": "a fox"},
    vars={},
    output="fox",
    origin="m:1",
)
PRICES: tuple[tuple[Price, ...], ...] = ((), (Price(usd=Decimal(10_000)),))

TEXT = st.text(st.characters(), max_size=6)  # half characters, but no whole address
ADDRESS = TEXT.map("http://127.0.0.1:1/{}".format)
NUMBER = st.one_of(
    st.integers(),
    st.integers(0, 25).map(lambda zeros: 10**zeros),
    st.floats(),
    st.booleans(),
)
NAME = st.sampled_from(
    [
        "data",
        "error",
        "code",
        "type",
        "param",
        "message",
        "status",
        "detail",
        "created",
        "quality",
        "size",
        "usage",
        "output_tokens",
        "input_tokens",
        "input_tokens_details",
        "text_tokens",
        "image_tokens",
        "b64_json",
        "url",
        "image_url",
        "revised_prompt",
        "success",
    ]
)
VALUE = st.recursive(
    TEXT | ADDRESS | NUMBER | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAME | TEXT, inner, max_size=5)
    ),
    max_leaves=20,
)
IMAGE = st.fixed_dictionaries({"url": ADDRESS}, optional={"revised_prompt": TEXT})
REPLY = st.fixed_dictionaries(
    {"data": st.lists(IMAGE, min_size=1, max_size=3)},
    optional={
        "usage": st.dictionaries(NAME | TEXT, NUMBER | TEXT | VALUE, max_size=5),
        "quality": TEXT,
    },
)
BODY = (REPLY | VALUE).map(lambda value: json.dumps(value).encode()) | st.binary()
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "x-request-id",
            "x-oneapi-request-id",
            "cf-ray",
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-remaining-images",
            "x-ratelimit-reset-images",
        ]
    ),
    (st.binary() | NUMBER.map(lambda number: str(number).encode())).map(
        lambda value: value.decode("utf-8", "surrogateescape")
    ),
)


def lines_of(status: int, headers: Mapping[str, str], body: bytes) -> list[Event]:
    """Make the lines that a worker writes of such a reply."""
    parser = ReplyParser()
    parser.feed(body)
    found: reply.Reply | ErrorBody
    if 200 <= status < 300:
        found = reply.interpret(parser.finish())
    else:
        found = read_error(read_document(body))
    if isinstance(found, ErrorBody):
        return lines_of_failure(classify(status, found, headers, now=0.0))
    return lines_of_reply(found, request_id(headers))


def lines_of_failure(failure: Failure) -> list[Event]:
    error, id_ = ErrorRecord.of(failure), failure.request_id
    delay = failure.retry_after or 0.0
    return [
        Retry(
            at=AT,
            id="a",
            attempt=1,
            error=error,
            maybe_billed=failure.maybe_billed,
            delay=round(delay, 3),
            request_id=id_,
        ),
        Unknown(at=AT, id="a", attempt=1, error=error, request_id=id_),
        result(Status.FAILED, request_id=id_, error=error),
    ]


def lines_of_reply(found: reply.Reply, id_: str | None) -> list[Event]:
    urls = tuple(image.url or "" for image in found.images)
    prompts = tuple(image.revised_prompt for image in found.images)
    costs = [cost(ASKED, prices, found.usage, len(found.usable)) for prices in PRICES]
    return [
        Reply(
            at=AT,
            id="a",
            attempt=1,
            urls=urls,
            request_id=id_,
            revised_prompts=prompts,
            usage=found.usage,
        ),
        *(
            result(Status.SUCCEEDED, request_id=id_, usage=found.usage, cost_usd=usd)
            for usd in costs
        ),
    ]


def result(status: Status, **fields: object) -> Result:
    line = Result(
        at=AT, id="a", name="fox", status=status, attempts=1, request={}, vars={}
    )
    return msgspec.structs.replace(line, **fields)


@given(st.integers(100, 999) | st.just(200), HEADERS, BODY)
@example(
    200,
    {},
    b'{"data":[{"url":"http://x/"}],"usage":{"output_tokens":1%b}}' % (b"0" * 14),
)
@example(200, {}, b'{"data":[{"url":"http://127.0.0.1:1/\\ud800.png"}]}')
@example(200, {"x-request-id": "r\udcff1"}, b'{"data":[{"url":"http://x/"}]}')
@example(500, {"x-request-id": "r\udcff1"}, b"{}")
def test_what_is_kept_of_a_reply_is_written_read_and_folded(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    standings = Standings()
    for line in lines_of(status, headers, body):
        written = encode(line)
        assert msgspec.json.decode(written, type=type(line)) == line
        assert standings.take(written) is not None
    assert standings.get("a") is not None
