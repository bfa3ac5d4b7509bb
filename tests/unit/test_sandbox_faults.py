from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.sandbox import FaultRule, list_faults, parse_faults
from batcher.sandbox.faults import FAULTS, HONEST, Call, Fault, Fetch, choose
from batcher.sandbox.order import Order
from batcher.sandbox.reply import Document, Reply, encode, success

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = base64.b64encode(bytes(range(200, 256)) * 3).decode()
ORDER = Order(model="m", prompt="a/fox+", n=2)
DOCUMENT = success(ORDER, [TEXT, TEXT], created=7)

RULES = parse_faults("truncate=0.25,server=0.25,hang=0.25")


def called(name: str, lot: float = 0.0, **fields: object) -> Reply | None:
    answer = FAULTS[name].answer
    assert answer is not None
    return answer(Call(document={"model": "m", **fields}, lot=lot, now=1e9))


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(1, 9)), unique=True))
def test_what_a_post_meets_does_not_depend_on_the_order_of_posts(
    posts: list[tuple[str, int]],
) -> None:
    there = {post: choose(RULES, *post, seed=1).name for post in posts}
    back = {post: choose(RULES, *post, seed=1).name for post in reversed(posts)}
    assert there == back


def test_every_rule_gets_its_share_and_the_rest_is_honest() -> None:
    met = [choose(RULES, f"prompt {i}", 1, seed=3).name for i in range(4000)]
    for name in ("truncate", "server", "hang", HONEST.name):
        assert 900 < met.count(name) < 1100


def test_what_is_beyond_the_whole_is_never_reached() -> None:
    rules = (FaultRule(name="server"), FaultRule(name="hang"))
    met = {choose(rules, f"prompt {i}", 1, seed=0).name for i in range(50)}
    assert met == {"server"}


def test_another_seed_or_another_attempt_makes_another_choice() -> None:
    def met(count: int, seed: int) -> list[str]:
        return [choose(RULES, f"p{i}", count, seed=seed).name for i in range(40)]

    assert len({tuple(met(*lot)) for lot in ((1, 0), (1, 1), (2, 0))}) == 3


def test_a_prompt_gets_what_it_asks_for_and_nothing_else() -> None:
    rules = (FaultRule(name="server"),)
    prompt = "a fox sandbox:truncate*2, sandbox:quota*1"
    met = [choose(rules, prompt, count, seed=0).name for count in range(1, 6)]
    assert met == ["truncate", "truncate", "quota", "", ""]
    assert choose((), "sandbox:hang", 99, seed=0).name == "hang"


def test_a_prompt_that_asks_for_an_unknown_fault_is_told_so() -> None:
    with pytest.raises(ValueError, match="did you mean 'truncate'"):
        choose((), "sandbox:truncat", 1, seed=0)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_a_fault_is_documented_and_does_something(fault: Fault) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", fault.name)
    assert fault.doc
    assert "\n" not in fault.doc
    assert re.fullmatch(r"§?\d[\d., §]*", fault.source)
    assert any(
        getattr(fault, step) != getattr(HONEST, step)
        for step in fault.__struct_fields__[3:]
    )
    assert f"{fault.name} " in list_faults()


def test_pace_is_refused_in_five_forms() -> None:
    forms = [called("rate_limited", lot) for lot in (0.0, 0.2, 0.4, 0.6, 0.8, 0.999)]
    replies = [form for form in forms if form is not None]
    assert [reply.status for reply in replies] == [429] * 6
    hints = [dict(reply.headers) for reply in replies]
    date = "Sun, 09 Sep 2001 01:46:41 GMT"
    assert hints[:3] == [
        {"Retry-After": "1"},
        {"retry-after-ms": "300"},
        {"Retry-After": date},
    ]
    assert "1分钟内最多请求60次" in replies[3].body.decode()
    assert replies[4].body == replies[5].body == b""


def test_overload_and_odd_errors_come_in_several_forms() -> None:
    for name, count in (("overloaded", 2), ("odd_error", 5)):
        replies = [called(name, lot / 20) for lot in range(20)]
        assert len({reply.body for reply in replies if reply}) == count


def test_unknown_parameter_is_about_a_field_that_was_sent() -> None:
    reply = called("unknown_parameter", response_format="url")
    assert reply is not None
    assert json.loads(reply.body)["error"]["code"] == "unknown_parameter"
    assert called("unknown_parameter") is None


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("auth", 401, ""),
        ("quota", 403, "insufficient_user_quota"),
        ("quota_429", 429, "insufficient_quota"),
        ("no_channel", 503, "model_not_found"),
        ("moderation", 400, "moderation_blocked"),
        ("moderation_451", 451, None),
        ("sensitive_words", 500, "sensitive_words_detected"),
        ("invalid_500", 500, "invalid_request"),
        ("do_request_failed", 500, "do_request_failed"),
        ("no_retry", 500, "server_error"),
        ("slow_down", 429, "slow_down"),
        ("error_200", 200, "server_error"),
        ("blank_200", 200, "server_error"),
    ],
)
def test_an_error_has_its_status_and_code(
    name: str, status: int, code: str | None
) -> None:
    reply = called(name)
    assert reply is not None
    assert reply.status == status
    assert json.loads(reply.body)["error"]["code"] == code


@pytest.mark.parametrize("name", ["html_502", "html_504", "cloudflare_524"])
def test_a_proxy_speaks_html_and_no_request_id(name: str) -> None:
    reply = called(name)
    assert reply is not None
    assert (reply.content_type, reply.middlebox) == ("text/html", True)
    assert reply.body.startswith(b"<html>")
    assert ("cf-ray" in reply.headers) == (name == "cloudflare_524")


@pytest.mark.parametrize(
    ("name", "restore"),
    [
        ("data_uri", lambda text: text.removeprefix("data:image/png;base64,")),
        ("wrapped", lambda text: text.replace("\r\n", "")),
        ("urlsafe", lambda t: t.replace("-", "+").replace("_", "/").ljust(224, "=")),
    ],
)
def test_a_carrier_is_another_writing_of_the_same_bytes(
    name: str, restore: Callable[[str], str]
) -> None:
    carried = FAULTS[name].carry(TEXT)
    assert carried != TEXT
    assert base64.b64decode(restore(carried)) == base64.b64decode(TEXT)


@pytest.mark.parametrize("name", ["escaped", "pretty", "keepalive_blanks"])
def test_a_body_is_another_writing_of_the_same_document(name: str) -> None:
    body = FAULTS[name].encode(DOCUMENT)
    assert body != encode(DOCUMENT)
    assert json.loads(body) == DOCUMENT


def test_an_escaped_body_holds_no_plain_slash_or_plus() -> None:
    body = FAULTS["escaped"].encode(DOCUMENT)
    assert not re.search(rb"[^\\]/|\+", body)


def test_events_carry_every_image_and_then_the_end() -> None:
    blocks = FAULTS["sse"].encode(DOCUMENT).decode().split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    events = [json.loads(block.partition("data: ")[2]) for block in blocks[:-2]]
    assert [event["b64_json"] for event in events] == [TEXT, TEXT]
    assert {event["type"] for event in events} == {"image_generation.completed"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty_data", []),
        ("null_data", None),
        ("empty_strings", [{"url": "", "b64_json": ""}]),
        (
            "url_data_uri",
            [{"url": f"data:image/png;base64,{TEXT}", "revised_prompt": "a/fox+"}] * 2,
        ),
        ("both_keys", [{"url": "", "b64_json": TEXT, "revised_prompt": ""}] * 2),
        ("bare", [{"b64_json": TEXT}] * 2),
    ],
)
def test_a_document_is_changed_in_its_images(name: str, data: object) -> None:
    shaped: Document = FAULTS[name].shape(DOCUMENT)
    assert shaped["data"] == data


@pytest.mark.parametrize(
    ("name", "order", "attribute", "expected"),
    [
        ("wrong_size", Order(model="m", prompt="p", width=1024), "width", 640),
        ("wrong_size", Order(model="m", prompt="p", width=1, height=1), "width", 2),
        ("fewer_images", Order(model="m", prompt="p", n=3), "n", 1),
        (
            "downgraded",
            Order(model="m", prompt="p", quality="high"),
            "quality",
            "medium",
        ),
        ("downgraded", Order(model="m", prompt="p"), "quality", "low"),
        ("swapped", Order(model="m", prompt="p"), "response_format", "url"),
        (
            "swapped",
            Order(model="m", prompt="p", response_format="url"),
            "response_format",
            "b64_json",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_order_is_revised(
    name: str, order: Order, attribute: str, expected: object
) -> None:
    assert getattr(FAULTS[name].revise(order), attribute) == expected


def test_a_file_loses_its_half_or_is_a_page() -> None:
    assert FAULTS["cut_image"].spoil(b"12345678") == b"1234"
    assert FAULTS["not_image"].spoil(b"12345678").startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("download_404", [404, 404, 404]),
        ("download_500", [500, 200, 200]),
        ("download_html", [200, 200, 200]),
        ("download_redirect", [302, 302, 200]),
        ("download_expired", [403, 403, 403]),
        ("download_cut", [200, 200, 200]),
    ],
)
def test_a_file_fails_to_come(name: str, statuses: list[int]) -> None:
    fetches = [Fetch(name="f.png", count=i, moved=i == 3) for i in (1, 2, 3)]
    replies = [FAULTS[name].fetch(Reply(), fetch) for fetch in fetches]
    assert [reply.status for reply in replies] == statuses
    assert FAULTS[name].revise(ORDER).response_format == "url"


def test_an_honest_gateway_changes_nothing() -> None:
    assert HONEST.revise(ORDER) is ORDER
    assert HONEST.shape(DOCUMENT) is DOCUMENT
    assert HONEST.fetch(Reply(), Fetch(name="f", count=1, moved=False)) == Reply()
