"""Where an entry's requests come from: rows x combinations x samples.

Counted exactly and found by index without being walked. What is random access in a
matrix is one pass in a table: its rows are streamed, and never held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from batcher.manifest.matrix import Combination


class Place(NamedTuple):
    """Where a request comes from.

    Attributes:
        origin: File and line of the entry or row.
        variables: The combination, kept with the request.
        sample: Number of this sample, from 1.
    """

    origin: str
    variables: Mapping[str, object]
    sample: int


Rows: TypeAlias = Iterable[tuple[str, Mapping[str, object]]]
"""Rows with their origins."""


class Places:
    """The places of one entry, in the order of nested loops, samples fastest.

    Args:
        own: The entry's own variables; rows and combinations beat them.
        rows: Streams the rows anew each time, one empty row without a table.
        combinations: What each row is combined with, one empty one without a matrix.
        samples: How many of each.
    """

    def __init__(
        self,
        own: Mapping[str, object],
        rows: Callable[[], Rows],
        combinations: Sequence[Combination],
        samples: int,
    ) -> None:
        self._own = own
        self._rows = rows
        self._combinations = combinations
        self._samples = samples
        self.of_each_row = len(combinations) * samples

    def __iter__(self) -> Iterator[Place]:
        """Walk all places."""
        numbers = range(1, self._samples + 1)
        for origin, row in self._rows():
            for combination in self._combinations:
                variables = {**self._own, **row, **combination}
                for sample in numbers:
                    yield Place(origin, variables, sample)

    def at(self, indices: Iterable[int]) -> Iterator[Place]:
        """Find the places at some indices.

        Reads all rows, so that what is wrong with the table itself is found whichever
        are wanted.

        Args:
            indices: Rising, from 0.
        """
        rows = iter(self._rows())
        passed = 0
        for number, wanted in groupby(indices, lambda index: index // self.of_each_row):
            for origin, row in islice(rows, number - passed, number - passed + 1):
                for index in wanted:
                    place, sample = divmod(index % self.of_each_row, self._samples)
                    variables = {**self._own, **row, **self._combinations[place]}
                    yield Place(origin, variables, sample + 1)
            passed = number + 1
        for _ in rows:
            pass
