"""Makes requests: from a manifest entry's fields and a combination of variables.

A recipe is compiled once per entry: what is constant is checked then, what has holes
is filled and checked for every request. Knows nothing of where combinations come from.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from batcher.manifest.field import CHECKS, FieldError
from batcher.manifest.output import checked_name, checked_output, default_name
from batcher.manifest.template import TemplateError, compile_template, is_template
from batcher.models import Reference, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batcher.manifest.document import Node
    from batcher.manifest.reference import References
    from batcher.manifest.template import Template

_canonical = msgspec.json.Encoder(order="deterministic").encode
_TEXTS = frozenset(CHECKS) - {"n", "style", "background", "watermark"}


class RecipeError(Exception):
    """One field of a request is wrong.

    Attributes:
        line: 1-based line in the manifest.
        field: The field's name.
    """

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.field = field


class Pattern:
    """A value of the manifest, with or without holes.

    Attributes:
        line: Where it stands.
        is_constant: It has no holes.
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

    def names(self) -> Iterator[tuple[str, int]]:
        """List the variables it needs, each with its line in the manifest."""
        if self._template is not None:
            for name, line in self._template.names.items():
                yield name, self._text_line + line - 1
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
        line = self._text_line + error.line - 1
        return RecipeError(line, self._field, str(error))


class Recipe:
    """How one entry's requests are made.

    Args:
        fields: Every field that is set, `image`, `name` and `output` included.
        extra: Fields to send as they are.
        references: Reader of reference images.

    Raises:
        RecipeError: A constant value is wrong.
    """

    def __init__(
        self,
        fields: Mapping[str, Pattern],
        extra: Mapping[str, Pattern],
        references: References,
    ) -> None:
        self._references = references
        self._name = fields.get("name")
        self._output = fields.get("output")
        self._image = fields.get("image")
        self._fields = {key: fields[key] for key in CHECKS if key in fields}
        self._extra = extra
        self._body: dict[str, object] = {}
        for key, pattern in self._fields.items():
            constant = pattern.is_constant
            self._body[key] = self._checked(key, pattern, {}) if constant else None
        self._holes = {k: p for k, p in self._fields.items() if not p.is_constant}
        self._names_sample = self._name is not None and any(
            name == "sample" for name, _ in self._name.names()
        )

    def problems(self) -> Iterator[RecipeError]:
        """Check what can be checked once for all requests."""
        if self._image is not None and self._image.is_constant:
            try:
                self._read_references({})
            except RecipeError as error:
                yield error

    def make(
        self,
        variables: Mapping[str, object],
        known: Mapping[str, object],
        *,
        sample: int,
        samples: int,
        origin: tuple[str, int],
    ) -> Request:
        """Make one request.

        Args:
            variables: The combination, kept with the request.
            known: Every variable templates may use, the combination included.
            sample: Number of this sample, from 1.
            samples: How many there are.
            origin: File and line of the entry or row.

        Raises:
            RecipeError: A filled-in value is wrong.
        """
        body = self._body.copy()
        for key, pattern in self._holes.items():
            body[key] = self._checked(key, pattern, known)
        for key, pattern in self._extra.items():
            body[key] = pattern.render(known)
        references, single = self._read_references(known)
        id_ = request_id(body, references, single=single, sample=sample)
        name = self._make_name(body, known, id_, sample, samples)
        return Request(
            id=id_,
            name=name,
            body=body,
            references=references,
            single_reference=single,
            vars=variables,
            output=self._make_output(body, known, id_, sample, name),
            origin="{}:{}".format(*origin),
        )

    def _checked(
        self, key: str, pattern: Pattern, known: Mapping[str, object]
    ) -> object:
        value = pattern.render(known)
        if key in _TEXTS and not pattern.is_constant and value is not None:
            value = str(value)
        try:
            return CHECKS[key](value)
        except FieldError as error:
            raise RecipeError(pattern.line, key, str(error)) from error

    def _read_references(
        self, known: Mapping[str, object]
    ) -> tuple[tuple[Reference, ...], bool]:
        if self._image is None:
            return (), False
        try:
            return self._references.read(self._image.render(known))
        except FieldError as error:
            raise RecipeError(self._image.line, "image", str(error)) from error

    def _make_name(
        self,
        body: Mapping[str, object],
        known: Mapping[str, object],
        id_: str,
        sample: int,
        samples: int,
    ) -> str:
        if self._name is None:
            return default_name(str(body["prompt"]), id_)
        text = str(self._name.render({**known, "sample": sample}))
        if samples > 1 and not self._names_sample:
            text = f"{text}-{sample}"
        return self._safe("name", self._name, text)

    def _make_output(
        self,
        body: Mapping[str, object],
        known: Mapping[str, object],
        id_: str,
        sample: int,
        name: str,
    ) -> str:
        if self._output is None:
            pattern = self._name or self._fields["prompt"]
            return self._safe("output", pattern, name)
        own = {**body, **known, "name": name, "sample": sample, "id": id_}
        return self._safe("output", self._output, str(self._output.render(own)))

    def _safe(self, field: str, pattern: Pattern, text: str) -> str:
        try:
            return checked_name(text) if field == "name" else checked_output(text)
        except FieldError as error:
            raise RecipeError(pattern.line, field, str(error)) from error


def request_id(
    body: Mapping[str, object],
    references: tuple[Reference, ...],
    *,
    single: bool,
    sample: int,
) -> str:
    """Hash what is paid for: the wire request and the sample's number.

    Returns:
        20 hex digits (80 bits): among 10^9 requests two agree by chance with a
        probability below 10^-6.
    """
    images = [reference.digest or reference.text for reference in references]
    content = (body, images[0] if single and images else images, sample)
    return hashlib.sha256(_canonical(content)).hexdigest()[:20]
