"""Reads manifests and expands them, one request after the other.

An expansion is walked as often as needed and holds none of its requests.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Protocol

from batcher.errors import ManifestError
from batcher.manifest.document import Node, Problems
from batcher.manifest.duplicate import Numbering
from batcher.manifest.source import Source, SourceError, find_source
from batcher.manifest.table import CsvManifest, JsonlManifest
from batcher.manifest.yaml_manifest import YamlManifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batcher.models import Problem, Request


class Manifest(Protocol):
    """One manifest file.

    Attributes:
        path: The file as the user named it.
        sha256: Hex digest of the file.
        name: The manifest's name, by default the file's stem.
        endpoint: Name of the endpoint it asks for, if any.
        settings: What it sets, each value with its line.
        remarks: What is allowed but deserves a look, by warning code.
    """

    path: str
    sha256: str
    name: str
    endpoint: str | None
    settings: Mapping[str, Node]
    remarks: list[tuple[str, Problem]]

    def requests(
        self, model: str, overrides: Mapping[str, object], problems: Problems
    ) -> Iterator[Request]:
        """Expand; mistakes go to `problems`, and their requests are left out."""


class Expansion:
    """The requests of some manifests, in order.

    Args:
        manifests: What to expand.
        model: The model of requests that name none.
        overrides: Fields that beat the manifests', `extra.x` for others.
        each: Make rows that repeat others requests of their own.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        *,
        model: str,
        overrides: Mapping[str, object],
        each: bool = False,
    ) -> None:
        self.manifests = tuple(manifests)
        self._each = each
        self._model = model
        self._overrides = overrides

    def checked(self, problems: Problems) -> Iterator[Request]:
        """Walk the requests that are right; mistakes go to `problems`."""
        requests = chain.from_iterable(
            manifest.requests(self._model, self._overrides, problems)
            for manifest in self.manifests
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
