from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.manifest.template import (
    TemplateError,
    compile_template,
    is_name,
    is_template,
)

KNOWN: dict[str, object] = {
    "city": "Tokyo",
    "n": 5,
    "less": -3,
    "price": 1.5,
    "tags": ["a", "b"],
    "d": {"k": "v"},
    "nothing": None,
    "yes": True,
}


def render(text: str) -> object:
    return compile_template(text).render(KNOWN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ city }}", "Tokyo"),
        ("{{n}}", 5),
        ("{{ nothing }}", None),
        ("{{ tags }}", ["a", "b"]),
        ("{{ -n }}", -5),
        ("{{ less }}", -3),
        ("{{ n + 1 }}", 6),
        ("{{ city|upper }}", "TOKYO"),
        ("{{ city }}{# a comment #}", "Tokyo"),
        ("{{ n > 3 }}", True),
        ("{{ true }}", True),
        ("{{ tags|map('upper')|list }}", ["A", "B"]),
        ("{{ {'a': [1, tags]} }}", {"a": [1, ["a", "b"]]}),
        ("{{ 'x' if n > 9 }}", None),
        ("{{ dict(a=1) }}", {"a": 1}),
        ("{{ range(3)|list }}", [0, 1, 2]),
        ("{{ (1, 2) }}", (1, 2)),
    ],
)
def test_a_single_hole_gives_the_value_itself(text: str, value: object) -> None:
    found = render(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("in {{ city }}", "in Tokyo"),
        ("{{ city }}\n", "Tokyo\n"),
        ("{{ city }} 50% {{ n }}%s", "Tokyo 50% 5%s"),
        ("{{ city }}, {{ city }} {{ yes }} {{ price }}", "Tokyo, Tokyo True 1.5"),
        ("a{{ nothing }}b", "ab"),
        ("a{{ nothing }}{{ city|lower }}", "atokyo"),
        ("{% if n > 3 %}many{% else %}few{% endif %}", "many"),
        ("{% for t in tags %}{{ t }}{{ ', ' if not loop.last }}{% endfor %}", "a, b"),
        ("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "k=v"),
        ("{% set a, b = tags %}{{ b }}{{ a }}", "ba"),
        ("{{ city ~ '-' ~ n }}!", "Tokyo-5!"),
        ("{{ '%03d' % n }}/{{ '%02d'|format(n) }}", "005/05"),
        ("{{ d.k }}{{ d['k'] }}{{ city[0] }}{{ city[::2] }}", "vvTTko"),
        ("{{ tags|join(', ') }}!", "a, b!"),
        ("{{ city.replace('o', '0').upper() }}!", "T0KY0!"),
        ("{% raw %}{{ city }}{% endraw %}", "{{ city }}"),
        ("{{ city }} }} stays", "Tokyo }} stays"),
        ("{{ 2 ** 5 }}{{ 2 * n }}{{ 'ab' * 2 }}{{ 2 * 'ab' }}.", "3210abababab."),
        ("{{ 'a' * 2.0 if false }}{{ 1.5 * 2 }}{{ 2 ** 0.5 > 1 }}.", "3.0True."),
    ],
)
def test_a_text_is_filled(text: str, value: str) -> None:
    assert render(text) == value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a\n{{ x }}\n{{ y }} {{ x }}", {"x": 2, "y": 3}),
        ("{{ x }}", {"x": 1}),
        ("a\n\n{% if x %}{{ y|upper }}{% endif %}", {"x": 3, "y": 3}),
        ("{% set z = x %}{{ z }}{% for i in range(3) %}{{ i }}{% endfor %}", {"x": 1}),
        ("{{ loop }}", {"loop": 1}),
        ("{{ range }}", {"range": 1}),
    ],
)
def test_names_are_told_with_their_first_line(text: str, names: dict[str, int]) -> None:
    assert dict(compile_template(text).names) == names


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("{{ city", 1, "wrong template: unexpected end of template"),
        ("a\n{{ city }", 2, "wrong template: unexpected '}'"),
        ("{{ }}", 1, "wrong template: Expected an expression"),
        ("\n{{ city|nosuch }}", 2, "wrong template: No filter named 'nosuch'"),
        ("{{ tags|random }}", 1, "wrong template: No filter named 'random'"),
        ("{{ city|center(9) }}", 1, "wrong template: No filter named 'center'"),
        ("{% include 'x' %}", 1, "wrong template: 'include' cannot be used here"),
        ("{% macro f() %}{% endmacro %}", 1, "wrong template: 'macro' cannot be us"),
        ("{% filter upper %}a{% endfilter %}", 1, "wrong template: 'filterblock' can"),
        (
            "{% for t in tags recursive %}{{ loop(tags) }}{% endfor %}",
            1,
            "wrong template: a loop cannot be recursive here",
        ),
        (f"{{{{ {'(' * 999}1{')' * 999} }}}}", 1, "wrong template: too long or too de"),
        ("{{ " + "9" * 5000 + " }}", 1, "wrong template: too long or too deeply"),
        ("{% for t in tags %}" * 30 + "{% endfor %}" * 30, 1, "wrong template: too l"),
    ],
)
def test_a_wrong_template_is_told_with_its_line(
    text: str, line: int, told: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text)
    assert str(caught.value).startswith(told)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("{{ nosuch }}", 1, "'nosuch' is not defined here"),
        ("a {{ nosuch }}", 1, "'nosuch' is not defined here"),
        ("a\n{{ nosuch|upper }}", 2, "'nosuch' is undefined"),
        ("a\nb {{ city.nosuch }}", 2, "'str object' has no attribute 'nosuch'"),
        ("\n{{ city.nosuch }}", 2, "'str object' has no attribute 'nosuch'"),
        ("{{ tags[5] }}", 1, "list object has no element 5"),
        ("{{ 1/0 }}", 1, "cannot render: division by zero"),
        ("a\n\n{% if 1 %}{{ 1/0 }}{% endif %}", 3, "cannot render: division by zero"),
        ("{{ city.upper }}", 1, "gives a builtin_function_or_method, not a value"),
        ("{{ range(3) }}", 1, "gives a range, not a value; end with |list"),
        ("{{ tags|map('upper') }}", 1, "gives a generator, not a value"),
        ("x {{ tags }}", 1, "'tags' is a list; choose a value, or join it"),
        ("x\n{{ n }} {{ d }}", 2, "'d' is a dict; choose a value, or join it"),
        ("x {{ tags|list }}", 1, "cannot print a list; choose a value, or join a list"),
        ("{{ city.__class__ }}", 1, "access to attribute '__class__' of 'str' object"),
    ],
)
def test_what_cannot_be_rendered_is_told_with_its_line(
    text: str, line: int, told: str
) -> None:
    template = compile_template(text)
    with pytest.raises(TemplateError) as caught:
        template.render(KNOWN)
    assert str(caught.value).startswith(told)
    assert caught.value.line == line


NESTED = "{% for a in range(9999) %}" * 3 + "{% endfor %}" * 3
TOO_MUCH = "makes too much text, or turns too many loops"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ 'a' * 10**9 }}", TOO_MUCH),
        ("{{ 10**9 * 'a' }}", TOO_MUCH),
        ("{{ [1] * 10**12 }}", TOO_MUCH),
        ("{{ 10**(10**9) }}", TOO_MUCH),
        ("{{ range(10**9)|list }}", "cannot render: Range too big"),
        (NESTED, TOO_MUCH),
        ("{% for a in range(9999) %}{{ 'a' * 9999 }}{% endfor %}", TOO_MUCH),
        (
            "{% set x = 'a' * 999 %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
            TOO_MUCH,
        ),
        (
            "{% set x = 'a' * 999 %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
            TOO_MUCH,
        ),
        (
            "{% set x = [1,1,1,1,1,1,1,1,1] %}"
            + "{% set x = [x,x,x,x,x,x,x,x,x] %}" * 20
            + "{{ x|string }}",
            TOO_MUCH,
        ),
        ("{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 40, TOO_MUCH),
        ("{% set x = (1, 2) %}" + "{% set x = (x, x) %}" * 40 + "{{ x }}", TOO_MUCH),
        ("{{ ('a' * 99999)|replace('a', 'b' * 9999) }}", TOO_MUCH),
        ("{{ ('a' * 99999).replace('a', 'b' * 9999) }}", TOO_MUCH),
        ("{{ (range(99999)|list)|join('b' * 9999) }}", TOO_MUCH),
        ("{{ '%999999999d' % 1 }}", "a format's width has at most three digits"),
        ("{{ '%(x)9999999d' % d }}", "a format's width has at most three digits"),
        ("{{ '%*d' % (999999999, 1) }}", "a format's width has at most three digits"),
        ("{{ '%.9999999f'|format(1) }}", "a format's width has at most three digits"),
        ("{{ '{:99999999}'.format(1) }}", "access to attribute 'format' of 'str'"),
        ("{{ city['format'](1) }}", "access to attribute 'format' of 'str'"),
        ("{{ city.ljust(10**9) }}", "access to attribute 'ljust' of 'str'"),
        ("{{ tags.append(1) }}", "access to attribute 'append' of 'list'"),
        ("{{ (2**100000)|string }}", "cannot render: Exceeds the limit"),
    ],
)
def test_a_bomb_is_a_mistake_like_any_other(text: str, told: str) -> None:
    template = compile_template(text)
    with pytest.raises(TemplateError) as caught:
        template.render(KNOWN)
    assert str(caught.value).startswith(told)


def test_each_rendering_may_do_as_much_as_the_first() -> None:
    template = compile_template("{{ ('a' * 99999)|length }} {{ n }}")
    assert {template.render(KNOWN) for _ in range(9)} == {"99999 5"}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a", False), ("{ a }", False), ("{{ a }}", True), ("{% a", True), ("{#", True)],
)
def test_a_template_is_told_by_its_marks(text: str, is_one: bool) -> None:
    assert is_template(text) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("city", True),
        ("größe_2", True),
        ("2nd", False),
        ("x-y", False),
        ("", False),
        ("none", False),
        ("for", False),
        ("loop", False),
    ],
)
def test_a_name_is_one_that_templates_can_use(text: str, is_one: bool) -> None:
    assert is_name(text) is is_one


PRINTABLE = st.text(string.printable.replace("{", "").replace("}", ""), max_size=9)
VALUES = st.text(max_size=9) | st.integers() | st.floats(allow_nan=False) | st.none()


@given(PRINTABLE, VALUES, PRINTABLE, VALUES)
def test_plain_holes_are_filled_as_jinja_would(
    before: str, x: object, after: str, y: object
) -> None:
    before, after = before.replace("\r", ""), after.replace("\r", "")
    plain = f"{before}.{{{{ x }}}}{after}{{{{ y }}}}"
    full = f"{before}.{{{{ (x) }}}}{after}{{{{ (y) }}}}"
    known = {"x": x, "y": y}
    assert compile_template(plain).render(known) == compile_template(full).render(known)


PIECES = st.sampled_from(
    [
        *("{", "{{", "}}", "{%", "%}", "x", "|", "list", "(", ")", "*", "9", "'a'"),
        *("for", "in", "if", "endfor", "set", "=", "[", "]", ",", "~", ".", "upper"),
    ]
)


@given(st.lists(PIECES, max_size=20))
def test_no_template_breaks_the_reader(pieces: list[str]) -> None:
    with suppress(TemplateError):
        compile_template("{{ x }}" + " ".join(pieces)).render({"x": "X", "a": [1]})
