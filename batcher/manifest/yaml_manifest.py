"""A YAML manifest: defaults, variables and entries (README, Manifest)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.manifest.document import Node, read_yaml
from batcher.manifest.entry import Entry, read_variables
from batcher.manifest.field import FIELDS, FieldError, shown, suggestion
from batcher.manifest.lot import Lots
from batcher.manifest.output import checked_path
from batcher.manifest.recipe import Shared
from batcher.manifest.reference import References

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batcher.manifest.problem import Problems
    from batcher.manifest.source import Source
    from batcher.models import Problem

TOP_KEYS = (
    *("name", "endpoint", "settings", "vars", "defaults", "requests", "output"),
    "seed",
)
"""Every key at the top of a YAML manifest."""

_ELSEWHERE = ("base_url", "url", "key", "api_key", "key_env", "token")


class YamlManifest:
    """See `expansion.Manifest`."""

    def __init__(self, source: Source, sha256: str, problems: Problems) -> None:
        self.path = source.path
        self.sha256 = sha256
        self.remarks: list[tuple[str, Problem]] = []
        self._problems = problems
        text = source.file.read_text(encoding="utf-8-sig")
        root = read_yaml(text, file=source.path, problems=problems)
        self._keys = self._mapping(root, None) if root else {}
        self._references = References(source.folder)
        self._check_keys(self._keys, TOP_KEYS, "")
        self.name = self._read_name(source.name)
        self.endpoint = self._read_endpoint()
        self._seed = self._read_seed()
        self.settings: Mapping[str, Node] = self._section("settings")
        self._defaults = self._section("defaults")
        self._check_keys(self._defaults, (*FIELDS, "extra"), "defaults.")
        variables = self._keys.get("vars")
        self._variables: Mapping[str, object] = {}
        if variables is not None and variables.value is not None:
            self._variables = read_variables(variables, self._report)
        is_mapping = root is not None and isinstance(root.value, dict)
        self._entries = self._read_entries() if is_mapping else []

    def parts(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Entry]:
        """Give the entries; see `expansion.Manifest`."""
        shared = {k: node for k, node in self._defaults.items() if k in FIELDS}
        if "output" in self._keys:
            shared["output"] = self._keys["output"]
        folder = self._references.folder
        together = Shared(self._references, self._variables, Lots(folder, self._seed))
        forced = {k: Node.of(v) for k, v in overrides.items() if k in FIELDS}
        for entry in self._entries:
            keys = {**shared, **dict(entry.items()), **forced}
            extra = keys["extra"] = self._merged_extra(entry, overrides)
            named = (keys.get("model"), dict(extra.items()).get("model"))
            if all(node is None or node.value is None for node in named):
                keys["model"] = Node(model, entry.line)
            yield Entry(
                keys,
                entry.line,
                file=self.path,
                shared=together,
                problems=problems,
            )

    def _merged_extra(self, entry: Node, overrides: Mapping[str, object]) -> Node:
        merged: dict[str, Node] = {}
        for node in (self._defaults.get("extra"), dict(entry.items()).get("extra")):
            if node is None or node.value is None:
                continue
            if not isinstance(node.value, dict):
                return node
            merged.update(node.items())
        for key, value in overrides.items():
            if key.startswith("extra."):
                merged[key.removeprefix("extra.")] = Node.of(value)
        return Node(merged, entry.line)

    def _read_name(self, stem: str) -> str:
        node = self._keys.get("name")
        if node is None or node.value is None:
            return stem
        try:
            return checked_path(node.plain())
        except FieldError as error:
            self._report(node.line, "name", str(error))
            return stem

    def _read_endpoint(self) -> Node | None:
        node = self._keys.get("endpoint")
        if node is None or node.value is None:
            return None
        if isinstance(node.value, str) and "/" not in node.value:
            return node
        message = (
            f"expected a profile's name, got {shown(node.plain())}; a URL goes into"
            " batcher.toml or --base-url, so that a manifest cannot choose who gets a"
            " key"
        )
        self._report(node.line, "endpoint", message)
        return None

    def _read_seed(self) -> int:
        node = self._keys.get("seed")
        if node is None or node.value is None:
            return 0
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return node.value
        expected = f"expected a whole number, got {shown(node.plain())}"
        self._report(node.line, "seed", expected)
        return 0

    def _section(self, key: str) -> dict[str, Node]:
        node = self._keys.get(key)
        if node is None or node.value is None:
            return {}
        return self._mapping(node, key)

    def _read_entries(self) -> list[Node]:
        node = self._keys.get("requests")
        if node is None:
            if not any(suggestion(key, ["requests"]) for key in self._keys):
                self._problems.add(self.path, 1, "requests", "is missing")
            return []
        if not isinstance(node.value, list) or not node.value:
            self._report(node.line, "requests", "expected a list of entries")
            return []
        entries = []
        for child in node.value:
            if isinstance(child.value, dict):
                entries.append(child)
            else:
                got = shown(child.plain())
                message = f"expected fields such as prompt:, got {got}"
                self._report(child.line, "requests", message)
        return entries

    def _mapping(self, node: Node, field: str | None) -> dict[str, Node]:
        if isinstance(node.value, dict):
            return dict(node.items())
        message = "expected a mapping of keys and values"
        self._problems.add(self.path, node.line, field, message)
        return {}

    def _check_keys(
        self, keys: Mapping[str, Node], known: Sequence[str], prefix: str
    ) -> None:
        for key, node in keys.items():
            if key not in known:
                hint = suggestion(key, known)
                if key in _ELSEWHERE:
                    hint = "; a manifest names an endpoint that batcher.toml describes"
                self._report(node.line, f"{prefix}{key}", f"unknown field{hint}")

    def _report(self, line: int, field: str, message: str) -> None:
        self._problems.add(self.path, line, field, message)
