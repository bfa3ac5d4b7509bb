"""What templates draw: the same for the same request, wherever and whenever."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.manifest.lot import DRAWS, LotError, Lots
from batcher.manifest.template import TemplateError, compile_template
from tests.unit.manifest.folder import Folder

ROWS = """
requests:
  - prompt: "{{ i }} {{ pick('red', 'green', 'blue') }} {{ pick('red', 'green') }}"
    matrix: {i: {range: [1, 20]}}
"""


def manifest(prompt: str, *, head: str = "", samples: int = 1) -> str:
    return (
        f"{head}\nrequests:\n  - prompt: |-\n      {prompt}\n    samples: {samples}\n"
    )


def test_a_walk_draws_what_the_walk_before_drew(folder: Folder) -> None:
    assert folder.yaml(ROWS).prompts() == folder.yaml(ROWS).prompts()


def test_what_is_drawn_is_the_same_on_every_machine_and_day(folder: Folder) -> None:
    text = manifest("{{ pick('red', 'green', 'blue') }}", samples=6)
    assert folder.yaml(text).prompts() == KEPT
    assert len({request.id for request in folder.yaml(text).right()}) == 6


KEPT = ["blue", "red", "green", "green", "blue", "red"]
"""A list that must never change: what was bought would be bought again."""


def test_an_inserted_row_redraws_no_other(folder: Folder) -> None:
    rows = 'requests:\n  - {rows: r.csv, prompt: "{{ a }} {{ pick(1, 2, 3, 4, 5) }}"}'
    folder.write("r.csv", "a\n" + "\n".join(map(str, range(30))))
    before = folder.yaml(rows).prompts()
    folder.write("r.csv", "a\nnew\n" + "\n".join(map(str, range(30))))
    after = folder.yaml(rows).prompts()
    assert after[1:] == before
    assert len({str(prompt).split()[1] for prompt in before}) > 1


def test_samples_and_calls_draw_each_for_themselves(folder: Folder) -> None:
    text = manifest("{{ pick(*range(99)) }} {{ pick(*range(99)) }}", samples=9)
    prompts = [str(prompt) for prompt in folder.yaml(text).prompts()]
    assert len(set(prompts)) == 9
    assert any(len(set(prompt.split())) == 2 for prompt in prompts)


def test_a_turn_of_a_loop_draws_for_itself(folder: Folder) -> None:
    text = "{% for i in range(30) %}{{ pick('a', 'b') }}{% endfor %}"
    (prompt,) = folder.yaml(manifest(text)).prompts()
    assert set(str(prompt)) == {"a", "b"}


def test_another_seed_draws_anew(folder: Folder) -> None:
    text = "{{ pick(*range(999)) }}"
    seeds = ("", "seed: 0", "seed: 7", "seed: -7")
    found = [folder.yaml(manifest(text, head=s)).prompts()[0] for s in seeds]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_size_may_change_and_the_colours_stay(folder: Folder) -> None:
    small, large = folder.yaml(ROWS), folder.yaml(ROWS, size="2048x2048")
    assert small.prompts() == large.prompts()
    assert {r.id for r in small.right()}.isdisjoint(r.id for r in large.right())


def test_the_same_text_in_a_name_draws_what_the_prompt_drew(folder: Folder) -> None:
    text = "{{ pick('red', 'green', 'blue') }}"
    both = manifest(text, samples=1) + f'    name: "{text}"\n'
    expanded = folder.yaml(both)
    assert expanded.names() == expanded.prompts()


def test_weights_say_how_often(folder: Folder) -> None:
    text = manifest("{{ pick('a', 'b', 'c', weights=[3, 0, 1]) }}", samples=2000)
    counts = Counter(folder.yaml(text).prompts())
    assert set(counts) == {"a", "c"}
    assert 1400 < counts["a"] < 1600


def test_a_list_is_a_choice_of_its_values(folder: Folder) -> None:
    head = "vars: {colours: [red]}"
    for text in ("{{ pick(colours) }}", "{{ pick(*colours) }}"):
        assert folder.yaml(manifest(text, head=head)).prompts() == ["red"]


def test_a_wildcard_is_a_line_of_a_word_file(folder: Folder) -> None:
    folder.write("words/animals.txt", "# beasts\nfox\n\n  hen \n")
    text = manifest("A {{ wildcard('words/animals.txt') }}", samples=40)
    assert set(folder.yaml(text).prompts()) == {"A fox", "A hen"}


def test_a_variable_may_be_called_as_a_draw_is(folder: Folder) -> None:
    head = "vars: {pick: axe}"
    text = "{{ pick }} {{ pick|upper }} {{ pick('x') }}"
    assert folder.yaml(manifest(text, head=head)).prompts() == ["axe AXE x"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("pick()", "nothing to choose from"),
        ("pick([])", "nothing to choose from"),
        ("pick(1, 2, weights=[1])", "1 weight for 2 values"),
        ("pick(1, 2, weights=[0, 0])", "one must be above 0"),
        ("pick(1, 2, weights=[1, -1])", "numbers from 0 up"),
        ("pick(1, 2, weights=3)", "numbers from 0 up"),
        ("pick(1, wieghts=[1])", "pick: got an unexpected keyword argument 'wieghts'"),
        ("wildcard()", "wildcard: missing a required argument: 'file'"),
        ("wildcard('a', 'b')", "wildcard: too many positional arguments"),
        ("wildcard('none.txt')", "there is no file 'none.txt' beside the manifest"),
        ("wildcard('empty.txt')", "'empty.txt' holds no words"),
        ("wildcard('../x.txt')", "outside the manifest's folder"),
        ("wildcard(3)", "expected a file's path"),
        ("wildcard()", "file"),
    ],
)
def test_what_cannot_be_drawn_is_told_with_its_line(
    folder: Folder, call: str, words: str
) -> None:
    folder.path.parent.joinpath("x.txt").write_text("secret")
    folder.write("empty.txt", "# nothing\n")
    expanded = folder.yaml(manifest(f"A\n      {{{{ {call} }}}}"))
    assert expanded.told() == [(5, "prompt")]
    assert words in expanded.problems[0].message


@pytest.mark.parametrize("seed", ["x", "1.5", "true", "[1]"])
def test_a_seed_is_a_whole_number(folder: Folder, seed: str) -> None:
    expanded = folder.yaml(f"seed: {seed}\nrequests: [{{prompt: a}}]")
    assert expanded.told() == [(1, "seed")]


def test_what_has_no_request_draws_nothing() -> None:
    with pytest.raises(TemplateError, match="lots cannot be drawn here"):
        compile_template("{{ pick(1, 2) }}").render({})


def test_a_draw_cannot_be_printed_or_used_as_a_filter() -> None:
    for text in ("{{ 'x'|pick('y') }}", "{{ 'x'|wildcard }}"):
        with pytest.raises(TemplateError):
            compile_template(text)
    assert dict(compile_template("{{ pick ~ '' }}").names) == {"pick": 1}


WEIGHTS = st.lists(st.floats(0, 1e9) | st.integers(0, 10**9), min_size=1, max_size=9)


@given(st.integers(0, 2**64 - 1), WEIGHTS)
def test_what_has_no_weight_is_never_drawn(number: int, weights: list[float]) -> None:
    places = range(len(weights))
    if sum(weights) == 0:
        return
    place = DRAWS["pick"](None, number, *places, weights=weights)
    assert isinstance(place, int)
    assert weights[place] > 0


@given(st.integers(0, 2**64 - 1), st.integers(1, 200))
def test_equal_weights_are_as_none(number: int, count: int) -> None:
    place = DRAWS["pick"](None, number, *range(count))
    assert place == int(Fraction(number, 2**64) * count)


@given(st.floats(allow_nan=True))
def test_a_weight_is_finite(weight: float) -> None:
    try:
        DRAWS["pick"](None, 0, "a", "b", weights=[weight, 1])
    except LotError:
        assert not 0 <= weight < float("inf")


def test_a_lot_tells_its_parts_apart(folder: Folder) -> None:
    lots = Lots(folder.path)
    lot = lots.lot({"a": 1}, 1)
    numbers = {lot.number("ab", 1), lot.number("a", 1), lot.number("ab", 11)}
    numbers |= {lots.lot({"a": 1}, 2).number("ab", 1)}
    numbers |= {lots.lot({"a": 2}, 1).number("ab", 1)}
    assert len(numbers) == 5
