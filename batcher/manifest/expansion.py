"""Reads manifests and expands them: walked in order, or found by index.

An expansion is walked as often as needed and holds none of its requests.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

from batcher.errors import ManifestError
from batcher.manifest.duplicate import Numbering
from batcher.manifest.problem import Problems
from batcher.manifest.source import Source, SourceError, find_source
from batcher.manifest.table import CsvManifest, JsonlManifest
from batcher.manifest.yaml_manifest import YamlManifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from batcher.manifest.document import Node
    from batcher.models import Problem, Request


class Manifest(Protocol):
    """One manifest file.

    Attributes:
        path: The file as the user named it.
        sha256: Hex digest of the file.
        name: The manifest's name, by default the file's stem.
        endpoint: Name of the endpoint it asks for, if any, with its line.
        settings: What it sets, each value with its line.
        remarks: What is allowed but deserves a look, by warning code.
    """

    path: str
    sha256: str
    name: str
    endpoint: Node | None
    settings: Mapping[str, Node]
    remarks: list[tuple[str, Problem]]

    def parts(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Part]:
        """Give what it consists of, read anew; mistakes go to `problems`."""


class Part(Protocol):
    """The requests of one entry or one table; used for one walk.

    Requests that are wrong are left out of a walk, and what is wrong goes to problems.
    """

    def most(self) -> int:
        """Give a number that its requests do not pass, at next to no cost."""

    def total(self) -> int:
        """Count its requests, the wrong ones too; reads a table through."""

    def walk(self) -> Iterator[Request]:
        """Make its requests, in order."""

    def at(self, indices: Iterable[int]) -> Iterator[Request]:
        """Make the requests at some indices, which rise and are below `total`."""


class Wanted(NamedTuple):
    """Some of the requests of an expansion.

    Attributes:
        indices: Where they stand among all, rising.
        totals: Number of requests of each part, as `Expansion.totals` counted them.
    """

    indices: Sequence[int]
    totals: Sequence[int]


class Expansion:
    """The requests of some manifests, in order.

    Args:
        manifests: What to expand.
        model: The model of requests that name none.
        overrides: Fields that beat the manifests', `extra.x` for others.
        each: Make rows that repeat others requests of their own.
        only: Which requests are wanted; None for all. Of those alone it is then known
            which repeat others.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        *,
        model: str,
        overrides: Mapping[str, object],
        each: bool = False,
        only: Wanted | None = None,
    ) -> None:
        self.manifests = tuple(manifests)
        self._each = each
        self._model = model
        self._overrides = overrides
        self._only = only

    def only(self, wanted: Wanted) -> Expansion:
        """Give an expansion of some of the requests."""
        return Expansion(
            self.manifests,
            model=self._model,
            overrides=self._overrides,
            each=self._each,
            only=wanted,
        )

    def parts(self, problems: Problems) -> Iterator[Part]:
        """Give what all the manifests consist of, read anew."""
        return chain.from_iterable(
            manifest.parts(self._model, self._overrides, problems)
            for manifest in self.manifests
        )

    def most(self) -> int:
        """Give a number that the requests do not pass, at next to no cost."""
        return sum(part.most() for part in self.parts(Problems()))

    def totals(self) -> list[int]:
        """Count the requests of each part, the wrong and the repeated ones too."""
        return [part.total() for part in self.parts(Problems())]

    def checked(self, problems: Problems) -> Iterator[Request]:
        """Walk the requests that are right; mistakes go to `problems`."""
        parts = self.parts(problems)
        requests = chain.from_iterable(
            (part.walk() for part in parts)
            if self._only is None
            else _found(parts, self._only)
        )
        return map(Numbering().numbered, requests) if self._each else requests

    def __iter__(self) -> Iterator[Request]:
        """Walk the requests of manifests already checked.

        Raises:
            ManifestError: A file changed into something wrong since.
        """
        problems = Problems()
        for request in self.checked(problems):
            yield request
            if problems.total:
                break
        if problems.total:
            raise ManifestError(problems.all())


def _found(parts: Iterable[Part], wanted: Wanted) -> Iterator[Iterator[Request]]:
    """Find requests by index; of a part without any, what is wrong with it is found."""
    indices, totals = wanted
    start = 0
    for part, total in zip(parts, totals, strict=True):
        end = start + total
        first, last = bisect_left(indices, start), bisect_left(indices, end)
        yield part.at(map((-start).__add__, indices[first:last]))
        start = end


def read_manifest(
    path: str, problems: Problems, given: str | None = None
) -> Manifest | None:
    """Read one manifest; mistakes go to `problems`.

    Args:
        path: The file, or `source.STDIN`.
        problems: Where mistakes go.
        given: The format of standard input, one of `source.FORMATS`.

    Returns:
        The manifest, or None when it cannot be read at all.
    """
    try:
        source = find_source(path, given)
        return _READERS[source.format](source, source.sha256(), problems)
    except SourceError as error:
        problems.add(path, None, None, str(error))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.add(path, line, None, "is not UTF-8 text; save it as UTF-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add(path, None, None, f"cannot read the manifest: {reason}")
    return None


_READERS: dict[str, Callable[[Source, str, Problems], Manifest]] = {
    "yaml": YamlManifest,
    "csv": CsvManifest,
    "jsonl": JsonlManifest,
}
