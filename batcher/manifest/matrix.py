"""Turns axes into combinations: counted exactly, found by index, never all held.

The rules are GitHub Actions': `exclude` removes every combination that has all the
values it names; `include` comes after it and adds its values to every combination
whose own axis values it would not change, or else makes a new one
(https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

Combination = Mapping[str, object]

MOST_COMBINATIONS = 10**15
"""Beyond it a matrix is a slip of the hand."""

MOST_STATES = 100_000
"""Of counting what several exclusions leave, which can take exponentially many."""


class TooLargeError(ValueError):
    """The matrix cannot be counted."""


class Axis:
    """One or more names whose values advance together.

    Attributes:
        names: Names of the variables, one, or those of a `zip` group.
        columns: The values of each name, all of one length; a `range` stays lazy.
    """

    def __init__(self, columns: Mapping[str, Sequence[object]]) -> None:
        self.names = tuple(columns)
        self.columns = tuple(columns.values())

    def __len__(self) -> int:
        """Count the places on the axis."""
        return len(self.columns[0])

    def at(self, place: int) -> dict[str, object]:
        """Give the variables at one place."""
        return {
            name: column[place]
            for name, column in zip(self.names, self.columns, strict=True)
        }

    def places(self, wanted: Combination) -> Collection[int]:
        """Find where the wanted values stand; every place when none is ours."""
        named = [
            _positions(column, wanted[name])
            for name, column in zip(self.names, self.columns, strict=True)
            if name in wanted
        ]
        return frozenset.intersection(*named) if named else range(len(self))


class Run(NamedTuple):
    """Places on an axis after which the same combinations follow.

    Attributes:
        first: The first of the places.
        length: How many there are.
        then: What follows each of them.
    """

    first: int
    length: int
    then: Branch


class Branch:
    """What is left of the axes from one on, given the exclusions that may still match.

    Attributes:
        total: Number of combinations.
        runs: The places on the axis, those without combinations left out.
        ends: Number of combinations up to the end of each run.
    """

    def __init__(self, runs: Sequence[Run], *, total: int = 0) -> None:
        self.runs = [run for run in runs if run.then.total]
        sizes = (run.length * run.then.total for run in self.runs)
        self.ends: list[int] = list(accumulate(sizes))
        self.total: int = self.ends[-1] if self.ends else total

    def find(self, index: int) -> tuple[int, int, Branch]:
        """Find the place for an index, the index left over, and what follows."""
        number = bisect_right(self.ends, index)
        run = self.runs[number]
        index -= self.ends[number] - run.length * run.then.total
        step, index = divmod(index, run.then.total)
        return run.first + step, index, run.then


_LEFT = Branch((), total=1)
_EXCLUDED = Branch(())


class Matrix(Sequence[Combination]):
    """The combinations of some axes, in the order of nested loops, last axis fastest.

    Args:
        axes: The axes, in the order of the manifest.
        exclude: Partial combinations to leave out.
        include: Values to add, see the module's docstring.

    Raises:
        TooLargeError: There are more than `MOST_COMBINATIONS`.

    Attributes:
        names: Every variable that some combination has.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        exclude: Sequence[Combination] = (),
        include: Sequence[Combination] = (),
    ) -> None:
        self._axes = tuple(axes)
        self._names = frozenset(name for axis in axes for name in axis.names)
        self.names = self._names.union(*include)
        self._rules = [
            [axis.places(wanted) for axis in axes]
            for wanted in exclude
            if wanted.keys() <= self._names
        ]
        self._branches: dict[tuple[int, frozenset[int]], Branch] = {}
        every = frozenset(range(len(self._rules)))
        self._root = self._branch(0, every) if axes else _EXCLUDED
        if self._root.total > MOST_COMBINATIONS:
            raise TooLargeError(f"has more than {MOST_COMBINATIONS:,} combinations")
        self._extend: list[tuple[Combination, Combination]] = []
        self._extra: list[Combination] = []
        for addition in include:
            self._include(addition)

    def __len__(self) -> int:
        """Count the combinations, without making them."""
        return self._root.total + len(self._extra)

    def __getitem__(self, index: int | slice) -> Combination:  # type: ignore[override]  # a slice would hold them
        """Make one combination."""
        if isinstance(index, slice):
            raise TypeError("a matrix is indexed one combination at a time")
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if index >= self._root.total:
            return self._extra[index - self._root.total]
        chosen: dict[str, object] = {}
        branch = self._root
        for axis in self._axes:
            place, index, branch = branch.find(index)
            chosen.update(axis.at(place))
        return self._extended(chosen)

    def __iter__(self) -> Iterator[Combination]:
        """Walk all combinations in order."""
        for chosen in self._walk(0, self._root, {}) if self._axes else ():
            yield self._extended(chosen.copy())
        yield from self._extra

    def _walk(
        self, number: int, branch: Branch, chosen: dict[str, object]
    ) -> Iterator[dict[str, object]]:
        """Walk a branch's combinations, each in the one dictionary that is passed."""
        if number == len(self._axes):
            yield chosen
            return
        axis = self._axes[number]
        for first, length, then in branch.runs:
            for place in range(first, first + length):
                for name, column in zip(axis.names, axis.columns, strict=True):
                    chosen[name] = column[place]
                yield from self._walk(number + 1, then, chosen)

    def _branch(self, number: int, active: frozenset[int]) -> Branch:
        """Count what is left of the axes from `number` on, given the live rules."""
        if number == len(self._axes):
            return _EXCLUDED if active else _LEFT
        key = (number, active)
        if key not in self._branches:
            if len(self._branches) > MOST_STATES:
                raise TooLargeError("has too many exclusions that overlap")
            self._branches[key] = self._made(number, active)
        return self._branches[key]

    def _made(self, number: int, active: frozenset[int]) -> Branch:
        end = len(self._axes[number])
        free: set[int] = set()
        hits: dict[int, list[int]] = {}
        for rule in active:
            places = self._rules[rule][number]
            if len(places) == end:
                free.add(rule)
                continue
            for place in places:
                hits.setdefault(place, []).append(rule)
        runs = []
        start = 0
        rest = frozenset(free)
        for place in [*sorted(hits), end]:
            if start < place:
                after = self._branch(number + 1, rest)
                runs.append(Run(start, place - start, after))
            if place < end:
                after = self._branch(number + 1, rest.union(hits[place]))
                runs.append(Run(place, 1, after))
            start = place + 1
        return Branch(runs)

    def _include(self, addition: Combination) -> None:
        """Extend the combinations that agree with it, or add it as a new one."""
        own = {name: value for name, value in addition.items() if name in self._names}
        if self._has_any([axis.places(own) for axis in self._axes]):
            self._extend.append((own, addition))
        else:
            self._extra.append(addition)

    def _has_any(self, places: Sequence[Collection[int]]) -> bool:
        """Tell whether any combination that is left stands at these places."""
        reached = {self._root} if self._axes else set()
        for here in places:
            reached = {
                run.then
                for branch in reached
                for run in branch.runs
                if _overlap(here, run)
            }
        return bool(reached)

    def _extended(self, chosen: dict[str, object]) -> Combination:
        for own, addition in self._extend:
            if all(_same(chosen[name], value) for name, value in own.items()):
                chosen.update(addition)
        return chosen


def _overlap(places: Collection[int], run: Run) -> bool:
    stretch = range(run.first, run.first + run.length)
    if len(places) < len(stretch):
        return any(place in stretch for place in places)
    return any(place in places for place in stretch)


def _positions(column: Sequence[object], value: object) -> frozenset[int]:
    if isinstance(column, range):
        if isinstance(value, int) and not isinstance(value, bool) and value in column:
            return frozenset({column.index(value)})
        return frozenset()
    return frozenset(place for place, own in enumerate(column) if _same(own, value))


def _same(one: object, other: object) -> bool:
    """Compare as YAML does, where `true` is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
