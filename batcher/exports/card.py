"""Writes the dataset card: `README.md` with YAML in front, as the hub reads it.

Pure. It says nothing of when or where the export was made, so that the same rows give
the same card. A licence that somebody filled in is carried over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from batcher.ledger.event import ManifestRecord, Run
from batcher.plural import counted
from batcher.version import VERSION

if TYPE_CHECKING:
    from batcher.exports.row import Row

NO_LICENSE = "license:"

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
_TAGS = ("image", "text", "synthetic", "batcher")

_front_of = re.compile(r"\A---\n(.*?)^---$", re.DOTALL | re.MULTILINE).match
_licenses = re.compile(r"^license\w*:.*(?:\n(?: |- ).*)*", re.MULTILINE).findall


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a card tells of an export.

    Attributes:
        title: The run directory's name.
        format: Of the export.
        manifests: Of every run, each content once.
        splits: Images in each.
        patterns: The glob of each split's files.
        models: Images by model.
        first: When its first request ended; None when there is none.
        last: When its last one did.
        license: Lines of YAML, see `license_of`.
    """

    title: str
    format: str
    manifests: tuple[ManifestRecord, ...]
    splits: Mapping[str, int]
    patterns: Mapping[str, str]
    models: Mapping[str, int]
    first: datetime | None
    last: datetime | None
    license: str = NO_LICENSE


class Tally:
    """Counts what was exported."""

    def __init__(self) -> None:
        self.models: Counter[str] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def add(self, row: Row) -> None:
        """Count one image."""
        self.models[row.model] += 1
        self.first = min(self.first or row.at, row.at)
        self.last = max(self.last or row.at, row.at)


def card_text(content: Content) -> str:
    """Write a card."""
    return "\n".join([*_front(content), "", *_body(content), ""])


def license_of(card: str) -> str:
    """Give a card's lines on its licence, as they are, or an empty one to fill in."""
    front = _front_of(card)
    found = _licenses(front[1]) if front else ()
    return "\n".join(found) or NO_LICENSE


def manifests_of(lines: Iterable[bytes]) -> tuple[ManifestRecord, ...]:
    """List the manifests that a ledger's runs were made from, by their names alone."""
    found: dict[ManifestRecord, None] = {}
    for raw in lines:
        try:
            if _head(raw).event == "run":
                for manifest in _run(raw).manifests:
                    name = PurePath(manifest.path).name
                    found[ManifestRecord(path=name, sha256=manifest.sha256)] = None
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return tuple(found)


class _Head(msgspec.Struct, frozen=True):
    event: str


_head = msgspec.json.Decoder(_Head).decode
_run = msgspec.json.Decoder(Run).decode


def _front(content: Content) -> Iterable[str]:
    """Write the YAML."""
    total = sum(content.splits.values())
    size = next((words for most, words in _SIZES if total < most), "n>1B")
    yield "---"
    yield content.license
    yield f"pretty_name: {_quoted(content.title)}"
    yield "size_categories:"
    yield f"- {size}"
    yield "task_categories:"
    yield "- text-to-image"
    yield "tags:"
    yield from (f"- {tag}" for tag in _TAGS)
    if content.patterns:
        yield "configs:"
        yield "- config_name: default"
        yield "  data_files:"
        for split, pattern in content.patterns.items():
            yield f"  - split: {split}"
            yield f"    path: {_quoted(pattern)}"
    yield "---"


def _body(content: Content) -> Iterable[str]:
    yield f"# {_inline(content.title)}"
    yield ""
    total = sum(content.splits.values())
    made = f"Images and their prompts, exported as {content.format}"
    yield f"{made} by batcher {VERSION}: {counted(total, 'image')}."
    if content.first is not None and content.last is not None:
        yield f"Made from {content.first:%Y-%m-%d} to {content.last:%Y-%m-%d} (UTC)."
    if content.license.strip() == NO_LICENSE:
        yield "No licence is named yet: fill in `license` at the top of this file."
    yield from _table(("split", "images"), _counted(content.splits))
    yield from _table(("model", "images"), _counted(content.models))
    manifests = ((each.path, each.sha256) for each in content.manifests)
    yield from _table(("manifest", "sha256"), manifests)


def _counted(counts: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    return ((name, f"{number:,}") for name, number in counts.items())


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Iterable[str]:
    yield ""
    yield "| {} | {} |".format(*head)
    yield "|---|---|"
    for row in rows:
        yield "| {} | {} |".format(*map(_inline, row))


def _quoted(text: str) -> str:
    """Write any text as YAML's double-quoted style, which knows these escapes."""
    plain = (
        char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}"
        for char in text
    )
    return '"' + "".join(plain) + '"'


def _inline(text: str) -> str:
    """Write text so that Markdown shows it on one line, and does nothing else."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"([\\`*_{}\[\]<>()#|!&~])", r"\\\1", plain)
