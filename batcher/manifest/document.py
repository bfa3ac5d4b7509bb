"""Reads YAML into values that remember their lines.

Scalars follow YAML 1.2's core schema: `no` is a word and `16:9` is not a number,
which PyYAML's 1.1 rules would make of them. Knows nothing of what a manifest means.
"""

from __future__ import annotations

import math
import re
from itertools import chain
from typing import TYPE_CHECKING, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batcher.manifest.problem import Problems

MAX_NODES = 1_000_000
"""Largest document, an alias counted as all it stands for; 64 characters are one."""

MAX_DEPTH = 50
"""Deepest nesting; libyaml's own tree builder overflows the stack at some thousands."""

_LARGEST_INT = 2**64 - 1  # beyond it, readers of JSON disagree about a number
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True}
_BOOL |= {"false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({f"{_TAG}{kind}" for kind in ("null", "bool", "int", "float")})


class Node:
    """One YAML value and where it stands.

    Attributes:
        value: A scalar, a list of nodes, or a dict of nodes by key.
        line: 1-based line of the value; 0 for one that is from no file.
        text_line: Line on which a scalar's own text begins, later in a block scalar.
    """

    __slots__ = ("line", "text_line", "value")

    def __init__(self, value: object, line: int, text_line: int | None = None) -> None:
        self.value = value
        self.line = line
        self.text_line = line if text_line is None else text_line

    @classmethod
    def of(cls, value: object) -> Node:
        """Wrap a plain value from the command line, which has no line."""
        if isinstance(value, dict):
            return cls({key: cls.of(child) for key, child in value.items()}, 0)
        if isinstance(value, list):
            return cls([cls.of(child) for child in value], 0)
        return cls(value, 0)

    def plain(self) -> object:
        """Give the value without its positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def items(self) -> Iterator[tuple[str, Node]]:
        """Walk a mapping; nothing for any other value."""
        if isinstance(self.value, dict):
            yield from self.value.items()


def read_yaml(text: str, *, file: str, problems: Problems) -> Node | None:
    """Parse one YAML document.

    Args:
        text: The document.
        file: Its name, for messages.
        problems: Where mistakes go: syntax, duplicate keys, several documents.

    Returns:
        The root, or None when there is none or the syntax is wrong.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = _Composer(yaml.parse(text, Loader=loader), file, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        problems.add(file, mark.line + 1 if mark else None, None, f"not YAML: {words}")
        return None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        problems.add(file, line, None, f"not YAML: {error.reason}")
        return None
    except UnicodeEncodeError:
        problems.add(file, None, None, "is not Unicode text")
        return None
    except _RefusedError as error:
        problems.add(file, error.line, None, str(error))
        return None
    if root is None:
        problems.add(file, None, None, "is empty; see `batcher init` for a start")
    return root


class _RefusedError(Exception):
    """The document is YAML, but not one that can be read on."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Composer:
    """Builds nodes from PyYAML's events.

    An alias is the node it names, counted again as large as it is: a small file of
    nested aliases, which pretends to be far larger, ends here.
    """

    def __init__(
        self, events: Iterator[yaml.Event], file: str, problems: Problems
    ) -> None:
        self._events = events
        self._file = file
        self._problems = problems
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0
        self._depth = 0

    def document(self) -> Node | None:
        """Build the only document; None for an empty stream."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                if root is not None:
                    line = _line(event)
                    raise _RefusedError(line, "holds a second document; one is read")
                root = self._node(event)
        return root

    def _node(self, event: yaml.NodeEvent) -> Node:
        """Build one node, and read on to its end."""
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(str(event.anchor), line)
        before = self._count
        self._grow(1, line)
        if isinstance(event, yaml.CollectionStartEvent):
            node = self._collection(event, line)
        else:
            scalar = cast("yaml.ScalarEvent", event)  # there is no other kind
            self._grow(len(scalar.value) >> 6, line)
            block = scalar.style in ("|", ">")
            node = Node(self._scalar(scalar), line, line + 1 if block else line)
        if event.anchor is not None:
            self._anchors[str(event.anchor)] = (node, self._count - before)
        return node

    def _grow(self, size: int, line: int) -> None:
        self._count += size
        if self._count > MAX_NODES:
            message = f"holds over {MAX_NODES:,} values or as much text; use rows:"
            raise _RefusedError(line, message)

    def _aliased(self, name: str, line: int) -> Node:
        if name not in self._anchors:
            raise _RefusedError(line, f"*{name} stands for no finished value above it")
        node, size = self._anchors[name]
        self._grow(size, line)
        return node

    def _collection(self, event: yaml.CollectionStartEvent, line: int) -> Node:
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            self._add(line, None, f"the tag {event.tag!r} is not supported")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _RefusedError(line, f"is nested over {MAX_DEPTH} levels deep")
        children = self._children()
        if isinstance(event, yaml.MappingStartEvent):
            node = Node(self._mapping(children), line)
        else:
            node = Node([self._node(child) for child in children], line)
        self._depth -= 1
        return node

    def _children(self) -> Iterator[yaml.NodeEvent]:
        """Walk the events that begin a child, to the end of the collection."""
        for event in self._events:
            if not isinstance(event, yaml.NodeEvent):
                return
            yield event

    def _mapping(self, children: Iterator[yaml.NodeEvent]) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for event in children:
            line = _line(event)
            key_node = self._node(event)
            value = self._node(next(children))
            if isinstance(key_node.value, dict | list):
                message = "a key must be a word; a template goes in quotes"
                self._add(line, None, message)
                continue
            key = str(getattr(event, "value", key_node.value))
            if key == "<<" and not getattr(event, "style", "alias"):
                merged.update(self._merged(value))
            elif key in own:
                message = f"{key!r} is given twice, first on line {own[key].line}"
                self._add(line, key, message)
            else:
                own[key] = value
        return {**merged, **own}

    def _merged(self, source: Node) -> dict[str, Node]:
        """Read the value of `<<`; of several mappings the first wins."""
        several = source.value if isinstance(source.value, list) else [source]
        if all(isinstance(node.value, dict) for node in several):
            return dict(chain.from_iterable(node.items() for node in several[::-1]))
        self._add(source.line, "<<", "merges a mapping or a list of them")
        return {}

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        text = str(event.value)
        line = _line(event)
        if event.tag in _SCALAR_TAGS or (event.tag is None and event.implicit[0]):
            value = _resolved(text)
            if isinstance(value, int) and abs(value) > _LARGEST_INT:
                self._add(line, None, "the number is too large; put it in quotes")
            if isinstance(value, float) and math.isinf(value):
                self._add(line, None, "the number is too large; put it in quotes")
            return value
        if event.tag not in (None, "!", f"{_TAG}str"):
            self._add(line, None, f"the tag {event.tag!r} is not supported")
        return text

    def _add(self, line: int, field: str | None, message: str) -> None:
        self._problems.add(self._file, line, field, message)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _resolved(text: str) -> object:
    """Give what a plain scalar means (YAML 1.2.2, 10.3.2, without `.inf` and `.nan`).

    JSON cannot say those two, so they stay the words that they are.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        digits = text[:400]  # far beyond the largest, and quick to read
        return int(digits, 0 if text[:2] in ("0x", "0o") else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
