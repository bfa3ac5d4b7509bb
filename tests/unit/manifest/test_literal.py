from __future__ import annotations

from pathlib import Path

import pytest

from batcher.manifest.field import FieldError
from batcher.manifest.literal import LiteralRecipe
from batcher.manifest.output import checked_label, checked_name, checked_output
from batcher.manifest.pattern import RecipeError
from batcher.manifest.reference import References


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_value_of_any_depth_is_sent_or_told() -> None:
    recipe = LiteralRecipe("m.csv", References(Path()), "gpt-image-2-pro", {})
    told = set()
    for depth in range(2, 1100):
        try:
            made = recipe.make(2, {"prompt": "x", "deep": nested(depth)}, {})
        except RecipeError as error:
            told |= {mistake.field for mistake in error.mistakes}
        else:
            assert made.output == made.name
    # Beside the others it is one step deeper than on its own.
    assert told == {"deep", "extra"}


@pytest.mark.parametrize("text", ["fox", "a/b", " fox ", "1", "café"])
def test_a_label_is_what_the_name_is_and_the_output(text: str) -> None:
    assert checked_label(text) == checked_name(text) == checked_output(text)


@pytest.mark.parametrize("text", ["", " ", "..", "/a", "a\\b", ".hidden", "a\0", 1.5j])
def test_a_label_is_no_better_than_name_and_output(text: object) -> None:
    with pytest.raises(FieldError) as one:
        checked_label(text)
    with pytest.raises(FieldError) as other:
        checked_output(checked_name(text))
    assert str(one.value) == str(other.value)
