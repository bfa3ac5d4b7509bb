from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import UsageError
from batcher.ledger import Standing, State
from batcher.ledger.event import ErrorRecord, Result
from batcher.models import Image, Request, Status
from batcher.record import Record, request_fields, result_fields
from batcher.where import (
    And,
    Comparison,
    Expression,
    Not,
    Operator,
    Or,
    WhereError,
    number_of,
    parse,
    value_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RESULT = Result(
    at=NOW - timedelta(hours=1),
    id="ab12",
    name="hero-1",
    status=Status.FAILED,
    attempts=3,
    request={
        "model": "gpt-image-2-pro",
        "prompt": "a 'red' cube",
        "size": "3840x2160",
        "n": 2,
        "watermark": False,
        "temperature": 0.1,
    },
    vars={
        "city": "Tokyo",
        "sku": "007",
        "price": "12.50",
        "street.no": 5,
        "seed": 7,
        "nan": float("nan"),
        "class": "cat",
        "of": {"a": {"b": "deep"}},
        "Product Title": "x",
    },
    images=(
        Image(
            index=0,
            path="Tokyo/a.png",
            bytes=10,
            sha256="0" * 64,
            format="png",
            width=3840,
            height=2160,
        ),
        Image(
            index=1,
            path="Tokyo/b.png",
            bytes=20,
            sha256="1" * 64,
            format="webp",
            width=1024,
            height=1024,
        ),
    ),
    usage={"output_tokens": 1500},
    cost_usd=Decimal("0.250"),
    latency=12.5,
    warnings=("size_mismatch", "adopted"),
    error=ErrorRecord(error_class="server", status=500, code="oops", message="m"),
)
RECORD = result_fields(RESULT, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "status=failed and class=server and attempts<5",
        "city=Tokyo",
        "vars.city=Tokyo",
        'name~"hero*"',
        "name~hero-?",
        "name!~villain*",
        "size=3840x2160",
        "size=16:9(4K)",
        "size='16:9 (4k)'",
        "(size=16:9(4K))and(n=2)",
        "size~3840*",
        "since=2h",
        "since<1.5h",
        "since>30m",
        "not since=1800",
        "at>2026-03-01T10",
        "not status=succeeded",
        "NOT (status=succeeded OR status=pending)",
        "status=succeeded or status=failed and n=2",
        "warnings=size_mismatch",
        "warnings=adopted and warnings!=other",
        "path~*/b.png",
        "format=webp",
        "width>=3840",
        "bytes<=10",
        "watermark=false",
        "watermark=False",
        "n=2.0",
        "n!=3",
        "cost=0.25",
        "cost_usd>0.2",
        "latency<=12.5",
        "temperature=0.1",
        "price<100",
        "sku=007",
        "sku!=7",
        "sku<=7",
        "seed=7",
        "street.no=5",
        "vars.street.no=5",
        "of.a.b=deep",
        "usage.output_tokens>1000",
        "class=server and vars.class=cat",
        "prompt=\"a 'red' cube\"",
        r"prompt='a \'red\' cube'",
        '"Product Title"=x',
        "absent!=x",
        "absent!~x",
        "not absent=x",
        "city<U",
        "city.name!=x",
        "nan!=1",
        "code=oops",
    ],
)
def test_an_expression_selects(text: str) -> None:
    assert parse(text).matches(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "absent=x",
        "absent<5",
        "absent~*",
        "usage=x and absent=x",
        "city=tokyo",
        "city>Z",
        "n<x",
        "n=x",
        "watermark<true",
        "watermark=x",
        "nan<1",
        "nan=1",
        "since=30m",
        "since>=2h",
        "request_id~*",
        "not (status=failed or n=9)",
        "size=1:1",
        "maybe_billed_usd>=0",
    ],
)
def test_an_expression_leaves_out(text: str) -> None:
    assert not parse(text).matches(RECORD)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "expected a field"),
        ("   ", 4, "got the end"),
        ("status", 7, "expected one of = != < <= > >= ~ !~"),
        ("status=", 8, "expected a value"),
        ("status==failed", 8, "expected a value"),
        ("name=and", 6, "quote keywords"),
        ("status=faild", 8, "succeeded, failed"),
        ("size=16:8", 6, "16:9"),
        ("since=soon", 7, "30m"),
        ("since!=2h", 6, "after since"),
        ("a=1 b=2", 5, "'and', 'or' or the end"),
        ("(a=1", 5, "')'"),
        ("a=1)", 4, "got ')'"),
        ("a=1 and", 8, "expected a field"),
        ("and a=1", 1, "got 'and'"),
        ("a!1", 2, "'!=' or '!~'"),
        ('a="x', 3, 'closing "'),
        ("a='", 3, "closing '"),
        ("(" * 51 + "a=1" + ")" * 51, 51, "at most 50"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, column: int, words: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse(text)
    message, _, caret = str(caught.value).splitlines()
    assert caught.value.column == column
    assert f"column {column}: " in message
    assert words in message
    assert caret == " " * (column + 1) + "^"


def test_the_caret_stands_under_wide_and_unprintable_characters() -> None:
    with pytest.raises(UsageError, match=r"\n  东 =\n  　  \^$"):
        parse("东\n=")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.5", Decimal("12.5")),
        ("-3", Decimal(-3)),
        ("1e5", None),
        ("", None),
        (0.1, Decimal("0.1")),
        (float("inf"), None),
        (Decimal(2), Decimal(2)),
        (True, None),
        (None, None),
    ],
)
def test_numbers_are_read_where_they_are_plain(
    value: object, number: Decimal | None
) -> None:
    assert number_of(value) == number


REQUEST = Request(
    id="ab12",
    name="cube",
    body={"model": "m", "prompt": "p"},
    vars={"city": "Oslo"},
    output="cube",
    origin="m.yaml:1",
)


def test_a_request_is_new_until_the_ledger_names_it() -> None:
    failed = Standing(state=State.FAILED, attempts=2, error_class="server")
    assert parse("status=new and city=Oslo").matches(request_fields(REQUEST, None))
    later = request_fields(REQUEST, failed)
    assert parse("status=failed and attempts=2 and class=server").matches(later)
    assert not parse("status=new or since<=1h").matches(later)


def test_where_a_request_stands_now_beats_its_last_result() -> None:
    standing = Standing(state=State.UNKNOWN, attempts=4)
    record = Record(id="ab12", result=RESULT, standing=standing)
    assert record.status == record.line()["status"] == "unknown"
    assert parse("status=unknown and attempts=4").matches(record.fields(NOW))
    assert record.line()["name"] == "hero-1"


def test_a_request_without_a_result_has_its_state() -> None:
    record = Record(id="ab12", standing=Standing(state=State.PENDING, attempts=1))
    assert record.line()["status"] == "pending"
    assert value_of(record.fields(NOW), "name") is None
    named = msgspec.structs.replace(record, announced="fox")
    assert named.fields(NOW)["name"] == named.line()["name"] == "fox"


def test_a_result_newer_than_the_reading_speaks_for_itself() -> None:
    assert Record(id="ab12", result=RESULT).status == "failed"
    assert Record(id="ab12").status == "new"


words = st.text(max_size=8) | st.sampled_from(
    ["and", "Not", "a b", "16:9(4K)", "", "(", '"', "\\", "12", "*", "[!x]", "a(b"]
)
fields = words.filter(lambda word: word not in {"size", "status", "since"})
comparisons = st.builds(
    Comparison, field=fields, operator=st.sampled_from(Operator), value=words
) | st.sampled_from(
    [
        Comparison(field="since", operator=Operator.AT_MOST, value="7200"),
        Comparison(field="size", operator=Operator.IS_NOT, value="auto"),
        Comparison(field="status", operator=Operator.LIKE, value="fail*"),
    ]
)


def _nested(part: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    parts = st.lists(part, min_size=2, max_size=4).map(tuple)
    return (
        st.builds(Not, part=part)
        | st.builds(And, parts=parts)
        | st.builds(Or, parts=parts)
    )


leaves: st.SearchStrategy[Expression] = comparisons
expressions = st.recursive(leaves, _nested, max_leaves=12)
records: st.SearchStrategy[Mapping[str, object]] = st.dictionaries(
    words,
    st.none()
    | words
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.decimals()
    | st.lists(words)
    | st.dictionaries(words, words),
)


@given(expressions)
def test_what_is_printed_is_read_as_the_same(expression: Expression) -> None:
    assert parse(str(expression)) == expression


@given(st.text() | st.text(alphabet="ab=!<>~()\"'\\ andotr", max_size=40))
def test_no_text_raises_anything_but_where_error(text: str) -> None:
    with contextlib.suppress(WhereError):
        expression = parse(text)
        assert parse(str(expression)) == expression
        expression.matches(RECORD)


@given(expressions, expressions, records)
def test_and_or_and_not_keep_de_morgans_laws(
    one: Expression, other: Expression, record: Mapping[str, object]
) -> None:
    both = And(parts=(one, other)).matches(record)
    either = Or(parts=(one, other)).matches(record)
    assert both is (one.matches(record) and other.matches(record))
    assert both is not Or(parts=(Not(part=one), Not(part=other))).matches(record)
    assert either is not And(parts=(Not(part=one), Not(part=other))).matches(record)
    assert Not(part=Not(part=one)).matches(record) is one.matches(record)


@given(fields, words, records)
def test_a_negative_operator_is_the_negation_of_its_positive(
    field: str, value: str, record: Mapping[str, object]
) -> None:
    for positive, negative in (
        (Operator.IS, Operator.IS_NOT),
        (Operator.LIKE, Operator.UNLIKE),
    ):
        one = Comparison(field=field, operator=positive, value=value)
        other = Comparison(field=field, operator=negative, value=value)
        assert one.matches(record) is not other.matches(record)
