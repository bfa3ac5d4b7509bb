"""Compiles the templates of a manifest: sandboxed Jinja2, strict about names.

A text of plain `{{ name }}` holes, which most are, is joined without Jinja2, so that
a million rows cost seconds. Knows nothing of fields or requests.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment

_MARK = re.compile(r"\{[{%#]")
_HOLE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_RESERVED = frozenset({"true", "false", "none", "True", "False", "None", "self", "not"})


class TemplateError(Exception):
    """A template is wrong, or met a value it cannot render.

    Attributes:
        line: 1-based line inside the template's text.
    """

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class Template(Protocol):
    """A text with holes.

    Attributes:
        names: Variables it needs, each with its 1-based line inside the text.
    """

    names: Mapping[str, int]

    def render(self, variables: Mapping[str, object]) -> object:
        """Fill the holes; raises `TemplateError`.

        A text that is a single `{{ … }}` gives the value itself, not its text.
        """


def is_template(text: str) -> bool:
    """Tell whether the text has anything to fill in."""
    return _MARK.search(text) is not None


def compile_template(text: str) -> Template:
    """Compile a text; raises `TemplateError` for wrong syntax."""
    parts = _HOLE.split(text)
    literal = "".join(parts[::2])
    if not _MARK.search(literal) and not _RESERVED.intersection(parts[1::2]):
        return _Plain(parts)
    return _Full(text)


class _Plain:
    """A text whose holes are names alone; `parts` alternates text and name."""

    def __init__(self, parts: list[str]) -> None:
        self.names: Mapping[str, int] = {
            name: "".join(parts[:place]).count("\n") + 1
            for place, name in reversed([*enumerate(parts)][1::2])
        }
        self._parts = parts
        self._whole = parts[1] if len(parts) == 3 and parts[0] == parts[2] == "" else ""

    def render(self, variables: Mapping[str, object]) -> object:
        try:
            if self._whole:
                return variables[self._whole]
            filled = self._parts.copy()
            filled[1::2] = [str(variables[name]) for name in self._parts[1::2]]
        except KeyError as error:
            raise TemplateError(f"{error.args[0]!r} is not defined here") from error
        return "".join(filled)


class _Full:
    """A text that needs Jinja2: filters, conditions, loops, expressions."""

    def __init__(self, text: str) -> None:
        from jinja2 import TemplateError as JinjaError  # noqa: PLC0415 - 90 ms
        from jinja2 import meta, nodes  # noqa: PLC0415

        environment = _environment()
        try:
            tree = environment.parse(text)
            free = meta.find_undeclared_variables(tree)
            self._render = _renderer(environment, text, tree)
        except JinjaError as error:
            line = getattr(error, "lineno", None) or 1
            raise TemplateError(f"wrong template: {error.message}", line) from error
        free -= environment.globals.keys()
        self.names: Mapping[str, int] = {
            node.name: node.lineno
            for node in reversed([*tree.find_all(nodes.Name)])
            if node.name in free
        }

    def render(self, variables: Mapping[str, object]) -> object:
        from jinja2 import TemplateError as JinjaError  # noqa: PLC0415

        try:
            return self._render(variables)
        except JinjaError as error:
            line = getattr(error, "lineno", None) or 1
            raise TemplateError(error.message or str(error), line) from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise TemplateError(f"cannot render: {error}") from error


def _renderer(
    environment: Environment, text: str, tree: object
) -> Callable[[Mapping[str, object]], object]:
    """Compile to an expression when the text is one hole, else to a template."""
    from jinja2 import nodes  # noqa: PLC0415

    body = getattr(tree, "body", [])
    single = len(body) == 1 and isinstance(body[0], nodes.Output)
    if single and len(body[0].nodes) == 1 and text.strip()[:2] == "{{":
        inner = text.strip()[2:-2].strip("-+ \n")
        expression = environment.compile_expression(inner, undefined_to_none=False)
        return lambda variables: _checked(expression(**variables))
    template = environment.from_string(text)
    return template.render


def _checked(value: object) -> object:
    """Let an undefined value raise its own error, as rendering it would."""
    from jinja2 import Undefined  # noqa: PLC0415

    if isinstance(value, Undefined):
        str(value)
    return value


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True
    )
    for name in ("cycler", "joiner", "namespace", "lipsum"):
        environment.globals.pop(name, None)
    return environment
