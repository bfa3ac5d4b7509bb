"""Which image of a reply is which in the store, and that the ledger can tell."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.ledger import ReplyLine, Standings
from batcher.ledger.event import Reply as Line
from batcher.ledger.event import encode
from batcher.transport import Reply, ReplyImage
from batcher.worker.numbering import Numbering

AT = datetime(2026, 11, 22, tzinfo=UTC)


def reply(*images: tuple[int | None, str | None]) -> Reply:
    return Reply(
        images=tuple(
            ReplyImage(
                index=index,
                number=number,
                url=url,
                defect=None if url or number is not None else "no image in it",
            )
            for index, (number, url) in enumerate(images)
        )
    )


def read_back(numbering: Numbering) -> ReplyLine:
    """Write a numbering to a ledger, and read its line."""
    urls = tuple(numbering.urls.values())
    line = Line(at=AT, id="a", attempt=1, urls=urls, indexes=numbering.indexes)
    standings = Standings()
    standings.take(encode(line))
    standing = standings.get("a")
    assert standing is not None
    assert standing.reply is not None
    return standing.reply


@st.composite
def replies(draw: st.DrawFn) -> tuple[Reply, frozenset[int]]:
    """Draw a reply, and the indexes of what came whole inside it."""
    numbers = iter(range(9))
    images = [
        (next(numbers) if "i" in kind else None, "http://e/" if "u" in kind else None)
        for kind in draw(st.lists(st.sampled_from(["i", "u", "iu", ""]), max_size=4))
    ]
    made = reply(*images)
    inside = [each.index for each in made.images if each.number is not None]
    came = draw(st.sets(st.sampled_from(inside))) if inside else set()
    return made, frozenset(came)


@given(replies())
def test_the_ledger_tells_again_what_was_known_of_a_reply(
    drawn: tuple[Reply, frozenset[int]],
) -> None:
    numbering = Numbering.of(*drawn)
    assert Numbering.again(read_back(numbering), (), 1) == numbering


@given(replies())
def test_every_url_has_a_number_that_no_image_inside_a_reply_has(
    drawn: tuple[Reply, frozenset[int]],
) -> None:
    made, came = drawn
    numbering = Numbering.of(made, came)
    inside = {each.number for each in made.images}
    assert inside.isdisjoint(numbering.urls)
    fetched = numbering.by_index(numbering.urls)
    assert fetched == {
        each.index: each.url
        for each in made.images
        if each.url and each.index not in came
    }
    assert numbering.images == len({*fetched, *numbering.by_index(numbering.indexes)})


def test_what_is_here_is_not_missing() -> None:
    numbering = Numbering.of(reply((None, "a"), (0, None), (None, "c")), {1})
    assert numbering.indexes == {0: 1, 1: 0, 2: 2}
    assert numbering.missing({1, 0}).urls == {2: "c"}
    assert numbering.missing({0, 1, 2}).urls == {}


def test_a_number_that_a_reply_does_not_know_is_none_of_its_images() -> None:
    numbering = Numbering.of(reply((None, "a")), ())
    assert numbering.by_index({0: "here", 7: "whose"}) == {0: "here"}


@pytest.mark.parametrize(
    ("urls", "whole", "n", "indexes"),
    [
        (("a", "b"), (), 2, {0: 0, 1: 1}),
        (("a", "b"), (0,), 2, {0: 0, 1: 0, 2: 1}),
        (("a", "b"), (1, 3), 2, {1: 0, 3: 1, 4: 0, 5: 1}),
        (("b",), (0,), 2, {0: 0, 1: 1}),
        (("a", "b"), (), 1, {0: 0, 1: 1}),
    ],
    ids=["nothing", "first", "both", "inside", "more than asked"],
)
def test_of_an_older_line_the_numbers_are_guessed_and_none_is_used_twice(
    urls: tuple[str, ...], whole: tuple[int, ...], n: int, indexes: dict[int, int]
) -> None:
    numbering = Numbering.again(ReplyLine(attempt=1, urls=urls), whole, n)
    assert numbering.indexes == indexes
    assert tuple(numbering.urls.values()) == urls
    assert set(numbering.urls).isdisjoint(whole)
