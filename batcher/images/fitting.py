"""Shortens a document until it fits where it is to stand. Knows nothing of formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias, cast

import msgspec

Document: TypeAlias = Mapping[str, object]
"""What JSON can say: text, numbers, lists and mappings."""

SHORTEST = 100
"""Characters up to which a text is left alone."""

SHORTENED = "shortened"
"""Key under which a document names what was cut, with dots: `request.prompt`."""

_Box: TypeAlias = "dict[str | int, object]"
_Place: TypeAlias = "tuple[str, _Box, str | int]"  # a name, a box and a key in it
_NO_PLACE: _Place = ("", {"": ""}, "")


def fitted(
    document: Document, render: Callable[[Document], bytes], most: int
) -> bytes | None:
    """Render a document, its longest texts cut until it fits.

    Args:
        document: What is to be rendered; it is not changed.
        render: Makes bytes of it.
        most: How many bytes there may be.

    Returns:
        The bytes; None where every text is short and there are too many.
    """
    rendered = render(document)
    if len(rendered) <= most:
        return rendered
    short = cast("_Box", msgspec.to_builtins(document, builtin_types=(Decimal,)))
    cut: dict[str, None] = {}
    while len(rendered) > most:
        name, box, key = max(_places(short), key=_length, default=_NO_PLACE)
        text = str(box[key])
        if len(text) <= SHORTEST:
            return None
        box[key] = text[: len(text) * 9 // 10].removesuffix("…") + "…"
        cut[name] = None
        rendered = render(cast("Document", {**short, SHORTENED: [*cut]}))
    return rendered


def _places(box: _Box, path: str = "") -> Iterator[_Place]:
    """Walk the texts of a document, each with where it stands."""
    for key, value in box.items() if isinstance(box, dict) else enumerate(box):
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, str):
            yield name, box, key
        elif isinstance(value, dict | list):
            yield from _places(cast("_Box", value), name)


def _length(place: _Place) -> int:
    _, box, key = place
    return len(str(box[key]))
