from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batcher.exports.card import (
    Content,
    Tally,
    card_text,
    license_of,
    manifests_of,
)
from batcher.exports.row import rows_of
from batcher.ledger.event import encode
from batcher.models import Image
from tests.unit.reports.ledger import START, kept, run_line

IMAGE = Image(
    index=0, path="a.png", bytes=1, sha256="0" * 64, format="png", width=1, height=1
)


def content(**changes: object) -> Content:
    fields: dict[str, object] = {
        "title": "night",
        "format": "csv",
        "manifests": manifests_of([encode(run_line(3))]),
        "splits": {"train": 1200, "test": 0},
        "patterns": {"train": "train.csv"},
        "models": {"gpt-image-2-pro": 1200},
        "first": START,
        "last": START,
    }
    return Content(**fields | changes)  # type: ignore[arg-type]  # by name, of any type


def front(card: str) -> dict[str, object]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_a_card_says_what_the_hub_asks_for() -> None:
    found = front(card_text(content()))
    assert found["license"] is None
    assert found["size_categories"] == ["1K<n<10K"]
    assert found["configs"] == [
        {
            "config_name": "default",
            "data_files": [{"split": "train", "path": "train.csv"}],
        }
    ]


def test_a_card_names_manifests_models_dates_and_counts() -> None:
    card = card_text(content())
    assert f"| night.yaml | {'0' * 64} |" in card
    assert "somebody" not in card
    assert "| gpt-image-2-pro | 1,200 |" in card
    assert "| test | 0 |" in card
    assert "2026-05-04" in card


def test_an_empty_export_has_a_card() -> None:
    card = card_text(content(splits={}, patterns={}, models={}, first=None, last=None))
    assert "configs" not in front(card)
    assert "0 images" in card


@given(st.text(min_size=1))
def test_no_title_breaks_the_card(title: str) -> None:
    card = card_text(content(title=title, models={title: 1}))
    lines = card.split("\n")
    assert lines.count("---") == 2
    assert yaml.safe_load(card.split("\n---\n")[0])["pretty_name"] == title


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("license: mit\n", "license: mit"),
        (
            "tags:\n- a\nlicense:\n- mit\n- cc0-1.0\nx: y\n",
            "license:\n- mit\n- cc0-1.0",
        ),
        (
            "license: other\nlicense_name: ours\nlicense_link: LICENSE\n",
            "license: other\nlicense_name: ours\nlicense_link: LICENSE",
        ),
        ("tags: []\n", "license:"),
    ],
)
def test_a_licence_is_carried_over_as_it_stands(front: str, expected: str) -> None:
    assert license_of(f"---\n{front}---\n\nlicense: no\n") == expected
    again = card_text(content(license=expected))
    assert license_of(again) == expected


def test_text_without_a_front_names_no_licence() -> None:
    assert license_of("license: mit\n") == license_of("") == "license:"


def test_a_damaged_run_line_is_passed_over() -> None:
    lines = [b"\xff\n", b"{}\n", b'{"event":"run"}\n', encode(run_line(1))]
    assert [each.path for each in manifests_of([*lines, *lines])] == ["night.yaml"]


def test_dates_are_the_first_and_the_last() -> None:
    tally = Tally()
    for number in (3, 1, 2):
        for row in rows_of(kept(number, IMAGE)):
            tally.add(row)
    assert tally.first is not None
    assert tally.last is not None
    assert (tally.first.second, tally.last.second) == (1, 3)
