from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.config import Secret
from batcher.models import ErrorClass, Failure
from batcher.transport.address import AddressError
from batcher.transport.redaction import MARK, SHORTEST_KEY, Redaction
from batcher.transport.reply import Reply, ReplyImage

KEY = "sk-a+key/that=nobody"
SPELT = quote(KEY, safe="")
HOST = "https://gateway.example"
OURS = Redaction(f"{HOST}/v1", Secret(KEY))
STAND_IN = Redaction(f"{HOST}/v1", Secret("none"))


def test_no_part_of_a_reply_holds_the_key() -> None:
    reply = Reply(
        images=(
            ReplyImage(index=0, url=f"{HOST}/i.png?k={KEY}", revised_prompt=f"a {KEY}"),
            ReplyImage(index=1, number=0),
        ),
        usage={KEY: {"echo": KEY, "tokens": 7}, "total": 1.5},
        quality=f"high {SPELT}",
    )
    assert OURS.reply(reply) == Reply(
        images=(
            ReplyImage(index=0, url=f"{HOST}/i.png?k={MARK}", revised_prompt="a ***"),
            ReplyImage(index=1, number=0),
        ),
        usage={"***": {"echo": "***", "tokens": 7}, "total": 1.5},
        quality="high ***",
    )


def test_no_part_of_a_failure_holds_the_key() -> None:
    failure = Failure(
        error_class=ErrorClass.AUTH, message=f"bad {KEY}", request_id=f"r-{KEY}"
    )
    assert OURS.failure(failure) == Failure(
        error_class=ErrorClass.AUTH, message="bad ***", request_id="r-***"
    )
    nameless = Failure(error_class=ErrorClass.AUTH, message="no")
    assert OURS.failure(nameless) == nameless


@pytest.mark.parametrize("spelt", [KEY, SPELT], ids=["plain", "percent-encoded"])
@pytest.mark.parametrize("place", ["/i/{}.png", ":8443/i?key={}&n=1", "/{0}/{0}"])
def test_an_address_of_the_endpoint_gets_the_key_back(spelt: str, place: str) -> None:
    hidden = OURS.address(HOST + place.format(spelt))
    assert MARK in hidden
    assert KEY not in hidden
    assert SPELT not in hidden
    assert OURS.opened(hidden) == HOST + place.format(SPELT)


@pytest.mark.parametrize(
    "origin",
    [
        "https://images.example",
        "https://gateway.example.evil.example",
        "https://gateway.example@evil.example",
        f"https://{MARK}.gateway.example",
        "http://gateway.example",
    ],
    ids=["other", "longer", "user", "in the name", "in the clear"],
)
def test_the_key_is_put_back_into_no_other_address(origin: str) -> None:
    with pytest.raises(AddressError, match="holds the key") as caught:
        OURS.opened(f"{origin}/i?key={MARK}")
    assert KEY not in str(caught.value)


def test_what_is_no_address_stays_without_the_key() -> None:
    assert OURS.opened(f"http://[{MARK}") == f"http://[{MARK}"


def test_a_gateway_without_tls_may_send_to_its_tls() -> None:
    plain = Redaction("http://gateway.example:8080/v1", Secret(KEY))
    assert plain.opened(f"{HOST}/{MARK}") == f"{HOST}/{SPELT}"


@given(st.text())
def test_an_address_without_the_key_stays_as_it_is(path: str) -> None:
    url = f"https://images.example/{path.replace(MARK, '')}"
    assert OURS.address(url) == url
    assert OURS.opened(url) == url


def test_a_stand_in_for_a_key_spoils_no_address_and_no_id() -> None:
    assert len("none") < SHORTEST_KEY
    assert STAND_IN.address("https://none.example/none") == "https://none.example/none"
    assert STAND_IN.text("none-1") == "none-1"
    reply = Reply(images=(ReplyImage(index=0, revised_prompt="none"),))
    assert STAND_IN.reply(reply) == reply
    assert STAND_IN.words("the key none") == "the key ***"
