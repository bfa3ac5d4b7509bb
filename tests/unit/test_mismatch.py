from __future__ import annotations

import pytest

from batcher.images import Format, Properties
from batcher.mismatch import mismatches
from batcher.models import Request
from batcher.quality import image_tokens

SQUARE = Properties(format=Format.PNG, width=1024, height=1024)
SMALL = Properties(format=Format.PNG, width=640, height=640)
JPEG = Properties(format=Format.JPEG, width=1024, height=1024)
MEDIUM = image_tokens((1024, 1024), "medium")


def request(**body: object) -> Request:
    fields = {"model": "gpt-image-2-pro", "prompt": "a fox", **body}
    return Request(
        id="0" * 20, name="a", body=fields, vars={}, output="a", origin="m:1"
    )


def found(
    asked: Request,
    *came: Properties,
    quality: str | None = None,
    usage: dict[str, object] | None = None,
) -> tuple[str, ...]:
    return mismatches(asked, came, quality=quality, usage=usage)


@pytest.mark.parametrize("size", [None, "auto", "1024x1024"])
def test_what_is_as_asked_is_no_mismatch(size: str | None) -> None:
    body = {} if size is None else {"size": size}
    assert found(request(**body), SQUARE) == ()


def test_other_pixels_than_asked_are_named_once() -> None:
    asked = request(size="1024x1024", n=3)
    assert found(asked, SMALL, SQUARE, SMALL) == ("size_mismatch",)


@pytest.mark.parametrize(
    ("asked", "came", "codes"),
    [
        ("png", SQUARE, ()),
        ("JPG", JPEG, ()),
        ("jpeg", SQUARE, ("format_mismatch",)),
        (None, JPEG, ()),
        (7, JPEG, ()),
    ],
)
def test_the_format_is_compared_by_its_usual_names(
    asked: object, came: Properties, codes: tuple[str, ...]
) -> None:
    body = {} if asked is None else {"output_format": asked}
    assert found(request(**body), came) == codes


def test_fewer_images_than_asked_are_named() -> None:
    assert found(request(n=2), SQUARE) == ("fewer_images",)
    assert found(request(n=2), SQUARE, SQUARE, SQUARE) == ()
    assert found(request()) == ("fewer_images",)


@pytest.mark.parametrize(
    ("quality", "usage", "codes"),
    [
        ("high", None, ()),
        ("low", None, ("quality_downgraded",)),
        (None, {"output_tokens": MEDIUM}, ("quality_downgraded",)),
        (None, {"output_tokens": MEDIUM + 1}, ()),
        (None, {"output_tokens": True}, ()),
        (None, {"output_tokens": "many"}, ()),
        (None, {}, ()),
    ],
    ids=["echo", "echo low", "tokens", "odd", "bool", "text", "none"],
)
def test_a_cheaper_drawing_is_noticed(
    quality: str | None, usage: dict[str, object] | None, codes: tuple[str, ...]
) -> None:
    asked = request(quality="high", size="1024x1024")
    assert found(asked, SQUARE, quality=quality, usage=usage) == codes


def test_tokens_are_those_of_all_images_together() -> None:
    asked = request(quality="medium", n=2)
    assert found(asked, SQUARE, SQUARE, usage={"output_tokens": 2 * MEDIUM}) == ()
