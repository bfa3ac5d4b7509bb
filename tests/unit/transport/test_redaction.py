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
from batcher.transport.url import UrlError

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
        error_class=ErrorClass.AUTH,
        message=f"bad {KEY}",
        code=f"key_{KEY}",
        request_id=f"r-{KEY}",
    )
    assert OURS.failure(failure) == Failure(
        error_class=ErrorClass.AUTH,
        message="bad ***",
        code="key_***",
        request_id="r-***",
    )
    nameless = Failure(error_class=ErrorClass.AUTH, message="no")
    assert OURS.failure(nameless) == nameless


@pytest.mark.parametrize(
    "spelt",
    [KEY, SPELT, quote(KEY), SPELT.lower()],
    ids=["plain", "percent-encoded", "with its slash", "lower case"],
)
@pytest.mark.parametrize("place", ["/i/{}.png", ":443/i?key={}&n=1", "/{0}/{0}"])
def test_an_address_of_the_endpoint_gets_the_key_back(spelt: str, place: str) -> None:
    hidden = OURS.address(HOST + place.format(spelt))
    assert MARK in hidden
    assert spelt not in hidden
    assert OURS.opened(hidden) == HOST + place.format(SPELT)


@pytest.mark.parametrize(
    "origin",
    [
        "https://images.example",
        "https://gateway.example.evil.example",
        "https://gateway.example@evil.example",
        f"https://{MARK}.gateway.example",
        "http://gateway.example",
        f"{HOST}:9999",
        "http://gateway.example:443",
    ],
    ids=["other", "longer", "user", "name", "in the clear", "port", "clear, its port"],
)
def test_the_key_is_put_back_into_no_other_address(origin: str) -> None:
    with pytest.raises(AddressError, match="holds the key") as caught:
        OURS.opened(f"{origin}/i?key={MARK}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", [f"http://[{MARK}", f"{HOST}:{MARK}/", f"/{MARK}"])
def test_the_key_is_put_back_into_nothing_that_is_no_address(url: str) -> None:
    with pytest.raises(UrlError):
        OURS.opened(url)


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        (f"{HOST}/v1", f"{HOST}:443"),
        (f"{HOST}:443/v1", "https://GATEWAY.example"),
        ("http://127.0.0.1:1234/v1", "http://127.0.0.1:1234"),
    ],
    ids=["the port", "no port", "unusual port"],
)
def test_an_origin_may_be_spelt_in_several_ways(base_url: str, origin: str) -> None:
    ours = Redaction(base_url, Secret(KEY))
    assert ours.opened(f"{origin}/{MARK}") == f"{origin}/{SPELT}"


def test_another_port_of_the_host_is_fetched_from_without_the_key() -> None:
    ours = Redaction("http://127.0.0.1:1234/v1", Secret(KEY))
    image = "http://127.0.0.1:5678/i.png?n=1"
    assert ours.opened(ours.address(image)) == image
    with pytest.raises(AddressError, match=r"'127\.0\.0\.1:5678'"):
        ours.opened(ours.address(f"{image}&key={KEY}"))


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Give a key, and an odd way to spell it in an address."""
    key = draw(st.text(st.characters(codec="utf-8"), min_size=SHORTEST_KEY))
    ways = (
        lambda letter: letter,
        lambda letter: "".join(f"%{byte:02x}" for byte in letter.encode()),
        lambda letter: "".join(f"%{byte:02X}" for byte in letter.encode()),
    )
    return key, "".join(draw(st.sampled_from(ways))(letter) for letter in key)


@given(spellings())
def test_however_an_address_spells_the_key_it_gets_the_mark(
    spelt: tuple[str, str],
) -> None:
    ours = Redaction(f"{HOST}/v1", Secret(spelt[0]))
    assert ours.address(spelt[1]) == MARK
    assert ours.text(spelt[1]) == "***"


def test_a_name_is_shown_without_the_key_wherever_it_is_cut() -> None:
    assert OURS.line(f"model {KEY[:5]}\u200b{KEY[5:]}") == "model ***"
    assert OURS.line("x" * 496 + KEY) == "x" * 496 + "***"
    assert STAND_IN.line("none-1") == "none-1"


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
