from __future__ import annotations

import asyncio

import pytest

from batcher.models import (
    ErrorClass,
    Failure,
    Problem,
    Reference,
    Request,
    Summary,
)


def request(**body: object) -> Request:
    return Request(
        id="0" * 20,
        name="n",
        body={"model": "m", "prompt": "p", **body},
        vars={},
        output="n",
        origin="m.yaml:1",
    )


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Problem(file="m.yaml", line=3, field="n", message="bad"), "m.yaml:3: n: bad"),
        (Problem(file="m.yaml", line=None, field=None, message="bad"), "m.yaml: bad"),
    ],
)
def test_a_problem_says_where_it_is(problem: Problem, words: str) -> None:
    assert str(problem) == words


@pytest.mark.parametrize(("n", "images"), [(None, 1), (0, 1), (3, 3), ("3", 1)])
def test_a_request_asks_for_at_least_one_image(n: object, images: int) -> None:
    assert request(**({} if n is None else {"n": n})).n == images


def test_what_is_not_set_is_none() -> None:
    one = request(quality=5)
    assert (one.model, one.size, one.quality) == ("m", None, None)


def test_a_field_that_is_not_sent_any_more_is_named_with_those_before_it() -> None:
    one = request(response_format="url", user="me").without(["response_format"])
    two = one.without(["response_format", "user", "style"])
    assert two.body == {"model": "m", "prompt": "p"}
    assert two.dropped == ("response_format", "user")
    assert two.without(["user"]) is two


@pytest.mark.parametrize(
    ("single", "image"), [(True, "sha256:1"), (False, ["sha256:1", "https://x/y.png"])]
)
def test_a_request_is_described_with_digests_for_images(
    single: bool, image: object
) -> None:
    references = [Reference(text="a.png", digest="sha256:1", is_file=True)]
    if not single:
        references.append(Reference(text="https://x/y.png"))
    one = Request(
        id="0" * 20,
        name="n",
        body={"model": "m"},
        references=tuple(references),
        single_reference=single,
        vars={},
        output="n",
        origin="m.yaml:1",
    )
    assert one.described() == {"model": "m", "image": image}


def test_a_field_that_is_dropped_is_not_sent_under_the_same_id() -> None:
    one = request(response_format="url")
    less = one.without({"response_format", "style"})
    assert less.body == {"model": "m", "prompt": "p"}
    assert (less.id, less.dropped) == (one.id, ("response_format",))
    assert less.without({"response_format"}) is less


def test_only_what_may_have_been_drawn_may_have_been_billed() -> None:
    billed = {c for c in ErrorClass if Failure(error_class=c, message="").maybe_billed}
    assert billed == {ErrorClass.AMBIGUOUS, ErrorClass.BAD_REPLY}


def test_a_request_without_references_is_described_as_it_is() -> None:
    assert request(n=2).described() == {"model": "m", "prompt": "p", "n": 2}


def test_a_summary_awaits_to_itself() -> None:
    summary = Summary(total=0, errors={}, warnings={}, out="o")

    async def awaited() -> Summary:
        return await summary

    assert asyncio.run(awaited()) is summary
