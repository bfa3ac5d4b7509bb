"""Compiles the templates of a manifest: sandboxed Jinja2, strict about names.

A text of plain `{{ name }}` holes, which most are, is joined without Jinja2, so that
a million rows cost seconds. Knows nothing of fields or requests.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate
from keyword import kwlist
from traceback import walk_tb
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batcher.manifest.jinja import Cage

_MARK = re.compile(r"\{[{%#]")
_HOLE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_RESERVED = frozenset({"true", "false", "none", "True", "False", "None"})
_PRINTED = frozenset({str, int, float, bool})
_TAKEN = _RESERVED.union(kwlist, ("loop", "self"))

NO_NAME = "cannot name a variable; use letters, digits and underscores"
"""What to say of a text that `is_name` refuses."""


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
        draws: It draws lots: what it is rendered with must hold a `lot.LOT`.
    """

    names: Mapping[str, int]
    draws: bool

    def render(self, variables: Mapping[str, object]) -> object:
        """Fill the holes; raises `TemplateError`.

        A text that is a single `{{ … }}` gives the value itself, not its text.
        """


def is_name(text: str) -> bool:
    """Tell whether a template can use the text as a variable's name."""
    return text.isidentifier() and text not in _TAKEN


def is_template(text: str) -> bool:
    """Tell whether the text has anything to fill in."""
    return _MARK.search(text) is not None


def compile_template(text: str) -> Template:
    """Compile a text; raises `TemplateError` for wrong syntax."""
    parts = _HOLE.split(text)
    if len(parts) == 3 and not parts[0] and not parts[2] and parts[1] not in _RESERVED:
        return _Hole(parts[1])
    literal = "".join(parts[::2])
    if not _MARK.search(literal) and not _RESERVED.intersection(parts[1::2]):
        return _Plain(parts)
    return _Full(text)


class _Hole:
    """A text that is one name."""

    draws = False

    def __init__(self, name: str) -> None:
        self.names: Mapping[str, int] = {name: 1}
        self._name = name

    def render(self, variables: Mapping[str, object]) -> object:
        try:
            return variables[self._name]
        except KeyError:
            raise TemplateError(f"{self._name!r} is not defined here") from None


class _Plain:
    """A text whose holes are names alone; `parts` alternates text and name."""

    draws = False

    def __init__(self, parts: list[str]) -> None:
        breaks = accumulate(part.count("\n") for part in parts[::2])
        lines: dict[str, int] = {}
        for name, before in zip(parts[1::2], breaks, strict=False):
            lines.setdefault(name, before + 1)
        self.names: Mapping[str, int] = lines
        self._holes = parts[1::2]
        self._format = "%s".join(part.replace("%", "%%") for part in parts[::2])

    def render(self, variables: Mapping[str, object]) -> object:
        try:
            values = tuple([variables[name] for name in self._holes])
        except KeyError as error:
            raise TemplateError(f"{error.args[0]!r} is not defined here") from None
        if not _PRINTED.issuperset(map(type, values)):
            values = tuple(map(self._printed, values, self._holes))
        return self._format % values

    def _printed(self, value: object, name: str) -> object:
        """Print as the full templates do: nothing for null, and no lists."""
        if value is None:
            return ""
        if isinstance(value, str | int | float):
            return value
        message = f"{name!r} is a {type(value).__name__}; choose a value, or join it"
        raise TemplateError(message, self.names[name])


class _Full:
    """A text that needs Jinja2: filters, conditions, loops, expressions."""

    def __init__(self, text: str) -> None:
        from jinja2 import TemplateError as JinjaError  # noqa: PLC0415 - 90 ms
        from jinja2 import meta, nodes  # noqa: PLC0415

        cage = _cage()
        try:
            tree, self.draws = cage.read(text)
            free = meta.find_undeclared_variables(tree) - cage.globals.keys()
            self.names: Mapping[str, int] = {
                node.name: node.lineno
                for node in reversed([*tree.find_all(nodes.Name)])
                if node.name in free
            }
            self._render = cage.compiled(text, tree)
        except JinjaError as error:
            line = getattr(error, "lineno", None) or 1
            words = str(error.message).rstrip(".")
            raise TemplateError(f"wrong template: {words}", line) from error
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            message = f"wrong template: too long or too deeply nested: {error}"
            raise TemplateError(message) from error

    def render(self, variables: Mapping[str, object]) -> object:
        from jinja2 import TemplateError as JinjaError  # noqa: PLC0415

        try:
            return self._render(variables)
        except JinjaError as error:
            message = error.message or str(error)
            raise TemplateError(message, _line_of(error)) from error
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            RecursionError,
            MemoryError,
        ) as error:
            message = f"cannot render: {error}"
            raise TemplateError(message, _line_of(error)) from error


def _line_of(error: BaseException) -> int:
    """Find the template's line at which rendering failed."""
    lines = [
        line
        for frame, line in walk_tb(error.__traceback__)
        if frame.f_code.co_filename == "<template>"
    ]
    return lines[-1] if lines else 1


@cache
def _cage() -> Cage:
    from batcher.manifest.jinja import Cage  # noqa: PLC0415 - 90 ms

    return Cage()
