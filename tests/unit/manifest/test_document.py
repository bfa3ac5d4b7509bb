from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batcher.manifest.document import MAX_DEPTH, Node, read_yaml
from batcher.manifest.problem import Problems


def read(text: str) -> tuple[Node | None, list[str]]:
    problems = Problems()
    node = read_yaml(text, file="m.yaml", problems=problems)
    return node, [str(problem) for problem in problems.all()]


def plain(text: str) -> object:
    node, problems = read(text)
    assert not problems
    assert node is not None
    return node.plain()


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("16:9", "16:9"),
        ("16:9(4K)", "16:9(4K)"),
        ("no", "no"),
        ("off", "off"),
        ("YES", "YES"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("0b1", "0b1"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("-0", 0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!int '5'", 5),
        ("<<", "<<"),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(scalar: str, value: object) -> None:
    found = plain(f"- {scalar}")
    assert found == [value]
    assert isinstance(found, list)
    assert type(found[0]) is type(value)


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=9)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_what_is_dumped_is_read_back(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    node, problems = read(text)
    assert not problems
    assert node is not None
    assert node.plain() == value


def test_a_plain_size_is_text_in_every_place() -> None:
    assert plain("{size: 16:9, x: [16:9(4K)]}") == {"size": "16:9", "x": ["16:9(4K)"]}


def test_every_value_knows_its_line() -> None:
    node, _ = read("a: 1\nb:\n  - x\n  - |\n    first\n    second\n")
    assert node is not None
    a, b = dict(node.items())["a"], dict(node.items())["b"]
    assert isinstance(b.value, list)
    assert (a.line, b.value[0].line, b.value[1].line) == (1, 3, 4)
    assert b.value[1].text_line == 5


def test_items_of_what_is_no_mapping_are_none() -> None:
    assert list(Node("x", 1).items()) == []


def test_a_merge_gives_what_the_mapping_does_not_set() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [{x: 9}, *b], z: 1}"
    assert plain(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 9, "y": 2, "z": 1},
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    assert plain("'<<': 1") == {"<<": 1}


def test_an_alias_is_the_value_it_names() -> None:
    assert plain("a: &x [1]\nb: *x\n&k c: 2\nd: *k") == {
        "a": [1],
        "b": [1],
        "c": 2,
        "d": "c",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3", "m.yaml:3: a: 'a' is given twice, first on line 1"),
        ("a:\n  {x: 1, x: 2}", "m.yaml:2: x: 'x' is given twice, first on line 2"),
        ("a: 'x", "m.yaml:1: not YAML: while scanning a quoted scalar"),
        ("a: b: c", "m.yaml:1: not YAML: mapping values are not allowed"),
        ("a: 1\n\tb: 2", "m.yaml:2: not YAML: "),
        ("a: 1\n--- \nb: 2", "m.yaml:3: holds a second document; one is read"),
        ("a: 1\nb: \0", "m.yaml:2: not YAML: control characters are not allowed"),
        ("", "m.yaml: is empty; see `batcher init`"),
        ("# nothing\n", "m.yaml: is empty; see `batcher init`"),
        (
            "prompt: {{ x }}",
            "m.yaml:1: a key must be a word; a template goes in quotes",
        ),
        ("a: &x [*x]", "m.yaml:1: *x stands for no finished value above it"),
        ("a: *x", "m.yaml:1: *x stands for no finished value above it"),
        ("a: {<<: 5}", "m.yaml:1: <<: merges a mapping or a list of them"),
        ("a: !x 5", "m.yaml:1: the tag '!x' is not supported"),
        ("a: !x [5]", "m.yaml:1: the tag '!x' is not supported"),
        ("a: !!python/name:os.system ''", "m.yaml:1: the tag 'tag:yaml.org,2002:pyth"),
        ("a: 18446744073709551616", "m.yaml:1: the number is too large; put it in q"),
        ("a: 1e999", "m.yaml:1: the number is too large; put it in quotes"),
        ("%YAML 9.1\n---\na: 1", "m.yaml:1: not YAML: found incompatible YAML doc"),
        ("a: \ud800", "m.yaml: is not Unicode text"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    _, problems = read(text)
    assert len(problems) == 1
    assert problems[0].startswith(told)


def test_several_mistakes_are_told_together() -> None:
    _, problems = read("a: 1\na: 2\n? [x]\n: 3\nb: 1\nb: 2")
    assert [problem.split(": ")[0] for problem in problems] == [
        "m.yaml:2",
        "m.yaml:3",
        "m.yaml:6",
    ]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
MERGE_BOMB = "a0: &a0 {}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30)
)
TEXT_BOMB = f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 1000)}]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "holds over 1,000,000 values or as much text; use rows:"),
        (MERGE_BOMB, "holds over 1,000,000 values or as much text; use rows:"),
        (TEXT_BOMB, "holds over 1,000,000 values or as much text; use rows:"),
        ("[" * 100_000, f"is nested over {MAX_DEPTH} levels deep"),
        ("- " * 100_000, f"is nested over {MAX_DEPTH} levels deep"),
        ("{a: " * 100_000, f"is nested over {MAX_DEPTH} levels deep"),
        ("9" * 1_000_000, "the number is too large; put it in quotes"),
    ],
    ids=["aliases", "merges", "text", "flow", "block", "mappings", "number"],
)
def test_a_bomb_is_a_mistake_like_any_other(text: str, told: str) -> None:
    _, problems = read(text)
    assert len(problems) == 1
    assert problems[0].endswith(told)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    node, problems = read(text)
    assert node is not None or problems


@given(st.text(alphabet="ab:-[]{}&*<!|>'\"#%? \n\t,0~", max_size=60))
def test_no_yaml_breaks_the_reader(text: str) -> None:
    node, problems = read(text)
    assert node is not None or problems


def test_a_value_from_the_command_line_has_no_line() -> None:
    node = Node.of({"a": [1, {"b": 2}]})
    assert node.plain() == {"a": [1, {"b": 2}]}
    assert node.line == dict(node.items())["a"].line == 0
    problems = Problems()
    problems.add("m.yaml", node.line, "size", "is wrong")
    assert str(problems.all()[0]) == "--set: size: is wrong"
