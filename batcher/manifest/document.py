"""Reads YAML into values that remember their lines, and collects mistakes.

Scalars follow YAML 1.2's core schema: `no` is a word and `16:9` is not a number,
which PyYAML's 1.1 rules would make of them. Knows nothing of what a manifest means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from batcher.models import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NODES = 1_000_000
"""Largest document; a small file of nested aliases can pretend to be far larger."""

MAX_DEPTH = 50

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True}
_BOOL |= {"false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class Problems:
    """Collects mistakes, all of them counted, the first `limit` kept.

    Attributes:
        found: The mistakes kept.
        total: How many there were.
    """

    def __init__(self, limit: int = 200) -> None:
        self.found: list[Problem] = []
        self.total = 0
        self._limit = limit

    def add(self, file: str, line: int | None, field: str | None, message: str) -> None:
        """Note one mistake at `file:line`, in `field`."""
        self.total += 1
        if len(self.found) < self._limit:
            problem = Problem(file=file, line=line, field=field, message=message)
            self.found.append(problem)

    def all(self) -> list[Problem]:
        """Give what was kept, and a line that says how many more there are."""
        more = self.total - len(self.found)
        if not more:
            return self.found
        message = f"and {more} more mistakes, not listed"
        last = self.found[-1]
        return [*self.found, Problem(file=last.file, line=None, field=None,
                                     message=message)]  # fmt: skip


class Node:
    """One YAML value and where it stands.

    Attributes:
        value: A scalar, a list of nodes, or a dict of nodes by key.
        line: 1-based line of the value.
        text_line: Line on which a scalar's own text begins, later in a block scalar.
    """

    __slots__ = ("line", "text_line", "value")

    def __init__(self, value: object, line: int, text_line: int | None = None) -> None:
        self.value = value
        self.line = line
        self.text_line = line if text_line is None else text_line

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
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        problems.add(file, mark.line + 1 if mark else None, None, f"not YAML: {words}")
        return None
    except (yaml.YAMLError, RecursionError) as error:
        problems.add(file, None, None, f"not YAML: {str(error).splitlines()[0]}")
        return None
    if root is None:
        problems.add(file, None, None, "is empty; see `batcher init` for a start")
        return None
    try:
        return _Converter(file, problems).node(root)
    except _TooLargeError as error:
        problems.add(file, None, None, str(error))
        return None


class _TooLargeError(Exception):
    pass


class _Converter:
    """Turns PyYAML's nodes into ours, aliases counted each time they are used."""

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._count = 0
        self._depth = 0

    def node(self, source: yaml.Node) -> Node:
        """Convert one node and what it holds."""
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooLargeError(f"holds more than {MAX_NODES:,} values; use rows:")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooLargeError(f"is nested more than {MAX_DEPTH} levels deep")
        line = source.start_mark.line + 1
        if isinstance(source, yaml.MappingNode):
            node = Node(self._mapping(source), line)
        elif isinstance(source, yaml.SequenceNode):
            node = Node([self.node(child) for child in source.value], line)
        elif isinstance(source, yaml.ScalarNode):
            block = source.style in ("|", ">")
            node = Node(self._scalar(source), line, line + 1 if block else line)
        else:
            raise TypeError(f"PyYAML made a node of an unknown kind: {source!r}")
        self._depth -= 1
        return node

    def _mapping(self, source: yaml.MappingNode) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key_node, value_node in source.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged.update(self._merge(value_node))
                continue
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(self._file, line, None, "a key must be a word")
                continue
            key = str(key_node.value)
            value = self.node(value_node)
            if key in own:
                message = f"{key!r} is given twice, first on line {own[key].line}"
                self._problems.add(self._file, line, key, message)
                continue
            own[key] = value
        return {**merged, **own}

    def _merge(self, source: yaml.Node) -> dict[str, Node]:
        if isinstance(source, yaml.MappingNode):
            return self._mapping(source)
        if isinstance(source, yaml.SequenceNode):
            merged: dict[str, Node] = {}
            for child in reversed(source.value):
                merged.update(self._merge(child))
            return merged
        line = source.start_mark.line + 1
        self._problems.add(self._file, line, "<<", "merges a mapping or a list of them")
        return {}

    def _scalar(self, source: yaml.ScalarNode) -> object:
        text = str(source.value)
        if source.style:  # the C parser says "" of a plain scalar, the other None
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text) and len(text) < 300:
            return int(text, 0 if text[:2] in ("0x", "0o") else 10)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text
