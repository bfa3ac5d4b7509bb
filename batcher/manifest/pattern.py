"""Values of a manifest that may have holes, and what is wrong with them.

Compiles the templates of a field, wherever they stand in it, and keeps the lines.
Knows nothing of what a field may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from batcher.manifest.field import suggestion
from batcher.manifest.template import TemplateError, compile_template, is_template

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from batcher.manifest.document import Node
    from batcher.manifest.template import Template

Report: TypeAlias = Callable[[int, str, str], None]
"""Takes a mistake: line, field and message."""


class Mistake(NamedTuple):
    """What is wrong with one field of a request.

    Attributes:
        line: 1-based line in the manifest; 0 for a value from the command line.
        field: The field's name.
        message: What is wrong.
    """

    line: int
    field: str
    message: str


class RecipeError(Exception):
    """A request cannot be made.

    Attributes:
        mistakes: What is wrong with its fields, at least one.
    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(mistake.message for mistake in self.mistakes))


class Pattern:
    """A value of the manifest, with or without holes.

    Attributes:
        line: Where it stands; 0 on the command line.
        is_constant: It has no holes.
        draws: Some hole of it draws lots.
    """

    def __init__(self, field: str, node: Node) -> None:
        self.line = node.line
        self._field = field
        self._text_line = node.text_line
        self._value: object = node.value
        self._template: Template | None = None
        if isinstance(node.value, dict):
            self._value = {k: Pattern(field, child) for k, child in node.value.items()}
        elif isinstance(node.value, list):
            self._value = [Pattern(field, child) for child in node.value]
        elif isinstance(node.value, str) and is_template(node.value):
            self._template = self._compiled(node.value)
        self.is_constant: bool = self._template is None and all(
            part.is_constant for part in self._parts()
        )
        self.draws: bool = any(part.draws for part in self._parts()) or (
            self._template is not None and self._template.draws
        )

    def names(self) -> Iterator[tuple[str, int]]:
        """List the variables it needs, each with its line in the manifest."""
        if self._template is not None:
            for name, line in self._template.names.items():
                yield name, self._text_line and self._text_line + line - 1
        for part in self._parts():
            yield from part.names()

    def render(self, variables: Mapping[str, object]) -> object:
        """Fill the holes; raises `RecipeError`."""
        if self._template is not None:
            try:
                return self._template.render(variables)
            except TemplateError as error:
                raise self._error(error) from error
        if isinstance(self._value, dict):
            return {key: part.render(variables) for key, part in self._value.items()}
        if isinstance(self._value, list):
            return [part.render(variables) for part in self._value]
        return self._value

    def _parts(self) -> list[Pattern]:
        if isinstance(self._value, dict):
            return list(self._value.values())
        return self._value if isinstance(self._value, list) else []

    def _compiled(self, text: str) -> Template:
        try:
            return compile_template(text)
        except TemplateError as error:
            raise self._error(error) from error

    def _error(self, error: TemplateError) -> RecipeError:
        line = self._text_line and self._text_line + error.line - 1
        return RecipeError([Mistake(line, self._field, str(error))])


def compile_pattern(
    field: str, node: Node, known: Collection[str] | None, report: Report
) -> Pattern | None:
    """Compile a value; what is wrong is reported, and gives None.

    Args:
        field: The field's name, for messages.
        node: The value.
        known: The variables that there are; None when that cannot be told.
        report: Takes wrong templates and undefined names.
    """
    try:
        pattern = Pattern(field, node)
    except RecipeError as error:
        for mistake in error.mistakes:
            report(*mistake)
        return None
    if known is None:
        return pattern
    undefined = [(name, line) for name, line in pattern.names() if name not in known]
    for name, line in undefined:
        hint = suggestion(name, known) or "; define it in vars or matrix"
        report(line, field, f"{name!r} is not defined{hint}")
    return None if undefined else pattern
