"""A YAML manifest: defaults, variables and entries (DESIGN §4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batcher.manifest.document import Node, Problems, read_yaml
from batcher.manifest.entry import Entry, read_variables
from batcher.manifest.field import FIELDS, FieldError, suggestion
from batcher.manifest.output import checked_output
from batcher.manifest.reference import References

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batcher.models import Problem, Request

TOP_KEYS = (
    *("name", "endpoint", "settings", "vars", "defaults", "requests", "output"),
)
"""Every key at the top of a YAML manifest."""


class YamlManifest:
    """See `expansion.Manifest`."""

    def __init__(self, path: str, sha256: str, problems: Problems) -> None:
        self.path = path
        self.sha256 = sha256
        self.remarks: list[tuple[str, Problem]] = []
        text = Path(path).read_text(encoding="utf-8-sig")
        root = read_yaml(text, file=path, problems=problems) or Node({}, 1)
        self._keys = _mapping(root, path, None, problems)
        self._references = References(Path(path).parent)
        _check_keys(self._keys, TOP_KEYS, "", path, problems)
        self.name = self._read_name(problems)
        self.endpoint = self._read_endpoint(problems)
        self.settings: Mapping[str, Node] = self._section("settings", problems)
        self._defaults = self._section("defaults", problems)
        _check_keys(self._defaults, (*FIELDS, "extra"), "defaults.", path, problems)
        variables = self._keys.get("vars")
        self._variables = read_variables(variables, path, problems) if variables else {}
        self._entries = self._read_entries(problems)

    def requests(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Request]:
        """Expand; see `expansion.Manifest`."""
        shared: dict[str, Node] = {"model": Node(model, 1)}
        shared |= {k: n for k, n in self._defaults.items() if k in FIELDS}
        if "output" in self._keys:
            shared["output"] = self._keys["output"]
        forced = {k: _node(v) for k, v in overrides.items() if "." not in k}
        for entry in self._entries:
            keys = {**shared, **dict(entry.items()), **forced}
            if keys.get("model", shared["model"]).value is None:
                keys["model"] = Node(model, 1)
            extra = self._merged_extra(entry, overrides)
            if extra is not None:
                keys["extra"] = extra
            yield from Entry(
                keys,
                entry.line,
                file=self.path,
                references=self._references,
                variables=self._variables,
            ).requests(problems)

    def _merged_extra(
        self, entry: Node, overrides: Mapping[str, object]
    ) -> Node | None:
        nodes = [self._defaults.get("extra"), dict(entry.items()).get("extra")]
        merged: dict[str, Node] = {}
        line = entry.line
        for node in nodes:
            if node is None or node.value is None:
                continue
            if not isinstance(node.value, dict):
                return node
            merged.update(node.items())
            line = node.line
        for key, value in overrides.items():
            if key.startswith("extra."):
                merged[key.removeprefix("extra.")] = _node(value)
        return Node(merged, line) if merged else None

    def _read_name(self, problems: Problems) -> str:
        node = self._keys.get("name")
        if node is None or node.value is None:
            return Path(self.path).stem
        try:
            return checked_output(str(node.plain()))
        except FieldError as error:
            problems.add(self.path, node.line, "name", str(error))
            return Path(self.path).stem

    def _read_endpoint(self, problems: Problems) -> str | None:
        node = self._keys.get("endpoint")
        if node is None or node.value is None:
            return None
        if isinstance(node.value, str) and "/" not in node.value:
            return node.value
        problems.add(
            self.path,
            node.line,
            "endpoint",
            f"expected a profile's name, got {node.plain()!r}; a URL goes into"
            " batcher.toml or --base-url, so that a manifest cannot choose who"
            " gets a key",
        )
        return None

    def _section(self, key: str, problems: Problems) -> dict[str, Node]:
        node = self._keys.get(key)
        if node is None or node.value is None:
            return {}
        return _mapping(node, self.path, key, problems)

    def _read_entries(self, problems: Problems) -> list[Node]:
        node = self._keys.get("requests")
        if node is None:
            if not problems.total:
                problems.add(self.path, 1, "requests", "is missing")
            return []
        if not isinstance(node.value, list) or not node.value:
            problems.add(self.path, node.line, "requests", "expected a list of entries")
            return []
        entries = []
        for child in node.value:
            if isinstance(child.value, dict):
                entries.append(child)
            else:
                message = f"expected fields such as prompt:, got {child.plain()!r}"
                problems.add(self.path, child.line, "requests", message)
        return entries


def _node(value: object) -> Node:
    """Wrap a value from the command line, which has no line."""
    if isinstance(value, dict):
        return Node({key: _node(child) for key, child in value.items()}, 1)
    if isinstance(value, list):
        return Node([_node(child) for child in value], 1)
    return Node(value, 1)


def _mapping(
    node: Node, file: str, field: str | None, problems: Problems
) -> dict[str, Node]:
    if isinstance(node.value, dict):
        return dict(node.items())
    problems.add(file, node.line, field, "expected a mapping of keys and values")
    return {}


def _check_keys(
    keys: Mapping[str, Node],
    known: Sequence[str],
    prefix: str,
    file: str,
    problems: Problems,
) -> None:
    for key, node in keys.items():
        if key not in known:
            message = f"unknown field{suggestion(key, known)}"
            problems.add(file, node.line, f"{prefix}{key}", message)
