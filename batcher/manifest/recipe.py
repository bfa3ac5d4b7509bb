"""Makes requests: from a manifest entry's fields and a combination of variables.

A recipe is made once per entry: what is constant is checked then, what has holes is
filled and checked for every request. Knows nothing of where combinations come from.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from batcher.manifest.field import CHECKS, FieldError
from batcher.manifest.lot import LOT
from batcher.manifest.output import checked_name, checked_output, default_name
from batcher.manifest.pattern import Mistake, RecipeError
from batcher.models import Reference, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batcher.manifest.lot import Lots
    from batcher.manifest.pattern import Pattern, Report
    from batcher.manifest.reference import References

_canonical = msgspec.json.Encoder(order="deterministic").encode
_NO_IMAGES: list[str] = []
_OF_ANY_TYPE = frozenset({"n", "style", "background", "watermark"})
_REQUIRED = frozenset({"model", "prompt"})


class Shared(NamedTuple):
    """What the entries of a manifest have in common.

    Attributes:
        references: Reader of reference images; its folder is the manifest's.
        variables: The manifest's `vars`.
        lots: What templates draw with.
    """

    references: References
    variables: Mapping[str, object]
    lots: Lots


class Recipe:
    """How one entry's requests are made.

    Args:
        fields: Every field that is set, `image`, `name` and `output` included.
        extra: Fields to send as they are.
        shared: What the entries of a manifest have in common.
        report: Takes what is wrong with a constant value, which is then left out.
    """

    def __init__(
        self,
        fields: Mapping[str, Pattern],
        extra: Mapping[str, Pattern],
        shared: Shared,
        report: Report,
    ) -> None:
        self._references = shared.references
        self._lots = shared.lots
        patterns = (*fields.values(), *extra.values())
        self._draws = any(pattern.draws for pattern in patterns)
        self._image = fields.get("image")
        self._name = fields.get("name")
        self._output = fields.get("output")
        self._body: dict[str, object] = {}
        self._holes: list[tuple[str, Pattern]] = []
        self._extra_holes: list[tuple[str, Pattern]] = []
        for key, pattern in fields.items():
            if key in CHECKS and not pattern.is_constant:
                self._holes.append((key, pattern))
            elif key in CHECKS:
                self._set_constant(key, pattern, report)
        for key, pattern in extra.items():
            if pattern.is_constant:
                self._body[key] = pattern.render({})
            else:
                self._extra_holes.append((key, pattern))
        self._constant_references = self._read_constant_references(report)
        self._names_sample = self._name is not None and any(
            name == "sample" for name, _ in self._name.names()
        )

    def make(
        self,
        variables: Mapping[str, object],
        known: Mapping[str, object],
        *,
        sample: int,
        samples: int,
        origin: str,
    ) -> Request:
        """Make one request.

        Args:
            variables: The combination, kept with the request.
            known: Every variable templates may use, the combination included.
            sample: Number of this sample, from 1.
            samples: How many there are.
            origin: File and line of the entry or row.

        Raises:
            RecipeError: Filled-in values are wrong; it names them all.
        """
        if self._draws:
            known = {**known, LOT: self._lots.lot(variables, sample)}
        mistakes: list[Mistake] = []
        body = self._filled(known, mistakes)
        references, single = self._read_references(known, mistakes)
        id_ = name = output = ""
        try:
            id_ = request_id(body, references, single=single, sample=sample)
        except FieldError as error:
            line = self._extra_holes[0][1].line if self._extra_holes else 0
            mistakes.append(Mistake(line, "extra", str(error)))
        try:
            name = self._make_name(body, known, id_, sample, samples)
            output = self._make_output(body, known, id_, sample, name)
        except RecipeError as error:
            mistakes += error.mistakes
        if mistakes:
            raise RecipeError(mistakes)
        return Request(
            id=id_,
            name=name,
            body=body,
            references=references,
            single_reference=single,
            vars=variables,
            output=output,
            origin=origin,
        )

    def _set_constant(self, key: str, pattern: Pattern, report: Report) -> None:
        try:
            self._body[key] = CHECKS[key](pattern.render({}))
        except FieldError as error:
            report(pattern.line, key, str(error))

    def _filled(
        self, known: Mapping[str, object], mistakes: list[Mistake]
    ) -> dict[str, object]:
        """Fill the body's holes; an optional field that comes out empty is absent."""
        body = self._body.copy()
        for key, pattern in self._holes:
            try:
                value = pattern.render(known)
                if type(value) is not str and key not in _OF_ANY_TYPE:
                    value = str(value) if isinstance(value, int | float) else value
                if value in ("", None) and key not in _REQUIRED:
                    continue
                body[key] = CHECKS[key](value)
            except FieldError as error:
                mistakes.append(Mistake(pattern.line, key, str(error)))
            except RecipeError as error:
                mistakes += error.mistakes
        for key, pattern in self._extra_holes:
            try:
                body[key] = pattern.render(known)
            except RecipeError as error:
                mistakes += error.mistakes
        return body

    def _read_constant_references(
        self, report: Report
    ) -> tuple[tuple[Reference, ...], bool] | None:
        """Read references that are the same in every request; None when they differ."""
        if self._image is None:
            return (), False
        if not self._image.is_constant:
            return None
        try:
            return self._references.read(self._image.render({}))
        except FieldError as error:
            report(self._image.line, "image", str(error))
            return (), False

    def _read_references(
        self, known: Mapping[str, object], mistakes: list[Mistake]
    ) -> tuple[tuple[Reference, ...], bool]:
        if self._constant_references is not None or self._image is None:
            return self._constant_references or ((), False)
        try:
            value = self._image.render(known)
            return self._references.read(value) if value else ((), False)
        except FieldError as error:
            mistakes.append(Mistake(self._image.line, "image", str(error)))
        except RecipeError as error:
            mistakes += error.mistakes
        return (), False

    def _make_name(
        self,
        body: Mapping[str, object],
        known: Mapping[str, object],
        id_: str,
        sample: int,
        samples: int,
    ) -> str:
        pattern = self._name
        text: object = None
        if pattern is not None:
            numbered = {**known, "sample": sample} if self._names_sample else known
            text = pattern.render(numbered)
        if pattern is None or (text in ("", None) and not pattern.is_constant):
            return default_name(str(body.get("prompt", "")), id_)
        if samples > 1 and not self._names_sample:
            text = f"{text}-{sample}"
        return _safe("name", pattern, text, checked_name)

    def _make_output(
        self,
        body: Mapping[str, object],
        known: Mapping[str, object],
        id_: str,
        sample: int,
        name: str,
    ) -> str:
        if self._output is not None:
            own = {**body, **known, "name": name, "sample": sample, "id": id_}
            path = self._output.render(own)
            return _safe("output", self._output, path, checked_output)
        if self._name is not None:
            return _safe("name", self._name, name, checked_output)
        return name


def _safe(
    field: str, pattern: Pattern, value: object, check: Callable[[object], str]
) -> str:
    try:
        return check(value)
    except FieldError as error:
        raise RecipeError([Mistake(pattern.line, field, str(error))]) from error


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

    Raises:
        FieldError: A value cannot be sent.
    """
    images: object = _NO_IMAGES
    if references:  # most have none, and a million of them are hashed
        images = [each.digest or each.text for each in references]
    if single and references:
        images = references[0].digest or references[0].text
    content = (body, images, sample)
    try:
        return sha256(_canonical(content)).hexdigest()[:20]
    except (TypeError, ValueError, RecursionError) as error:
        raise FieldError(f"a value cannot be sent as JSON: {error}") from error
