"""Turns axes into combinations: counted exactly, found by index, never all held.

The rules are GitHub Actions': `exclude` removes every combination that has all the
values it names; `include` comes after it and adds its values to every combination
whose own axis values it would not change, or else makes a new one
(https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Combination = Mapping[str, object]


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

    def places(self, wanted: Combination) -> frozenset[int] | None:
        """Find where the wanted values stand; None when it names none of ours."""
        named = [
            (column, wanted[name])
            for name, column in zip(self.names, self.columns, strict=True)
            if name in wanted
        ]
        if not named:
            return None
        found = set(range(len(self))) if len(named) > 1 else None
        for column, value in named:
            here = _positions(column, value)
            found = here if found is None else found & here
        return frozenset(found or ())


class Matrix(Sequence[Combination]):
    """The combinations of some axes, in the order of nested loops, last axis fastest.

    Args:
        axes: The axes, in the order of the manifest.
        exclude: Partial combinations to leave out.
        include: Values to add, see the module's docstring.

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
        self._wanted = tuple(exclude)
        rules = [self._places(wanted) for wanted in exclude]
        self._exclude = [rule for rule in rules if rule is not None]
        self._counts: dict[tuple[int, frozenset[int]], int] = {}
        every = frozenset(range(len(self._exclude)))
        self._every = every
        self._product = self._count(0, every) if axes else 0
        self._extend: list[Combination] = []
        self._extra: list[dict[str, object]] = []
        for addition in include:
            self._include(addition)

    def __len__(self) -> int:
        """Count the combinations, without making them."""
        return self._product + len(self._extra)

    def __getitem__(self, index: int | slice) -> Combination:  # type: ignore[override]  # a slice would hold them
        """Make one combination."""
        if isinstance(index, slice):
            raise TypeError("a matrix is indexed one combination at a time")
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if index >= self._product:
            return self._extra[index - self._product]
        return self._extended(self._select(index))

    def __iter__(self) -> Iterator[Combination]:
        """Walk all combinations in order."""
        return (self[index] for index in range(len(self)))

    def _places(self, wanted: Combination) -> list[frozenset[int] | None] | None:
        """Say where each axis must stand to match; None when nothing can match."""
        if not wanted.keys() <= self._names:
            return None
        places = [axis.places(wanted) for axis in self._axes]
        return None if frozenset() in places else places

    def _hits(self, axis: int, place: int, active: frozenset[int]) -> frozenset[int]:
        """Keep the exclusions that this place on this axis still lets match."""
        kept = []
        for rule in active:
            places = self._exclude[rule][axis]
            if places is None or place in places:
                kept.append(rule)
        return frozenset(kept)

    def _groups(self, axis: int, active: frozenset[int]) -> list[int]:
        """List the places on an axis that some active exclusion names."""
        named: set[int] = set()
        for rule in active:
            named |= self._exclude[rule][axis] or frozenset()
        return sorted(named)

    def _count(self, axis: int, active: frozenset[int]) -> int:
        """Count what is left of the axes from `axis` on, given the live exclusions."""
        if axis == len(self._axes):
            return 0 if active else 1
        if not active:
            rest = 1
            for later in self._axes[axis:]:
                rest *= len(later)
            return rest
        key = (axis, active)
        if key not in self._counts:
            named = self._groups(axis, active)
            total = sum(
                self._count(axis + 1, self._hits(axis, place, active))
                for place in named
            )
            others = len(self._axes[axis]) - len(named)
            if others:
                total += others * self._count(axis + 1, self._hits(axis, -1, active))
            self._counts[key] = total
        return self._counts[key]

    def _select(self, index: int) -> dict[str, object]:
        """Find the combination at `index` among those not excluded."""
        chosen: dict[str, object] = {}
        active = self._every
        for number, axis in enumerate(self._axes):
            place, index, active = self._place(number, index, active)
            chosen.update(axis.at(place))
        return chosen

    def _place(
        self, axis: int, index: int, active: frozenset[int]
    ) -> tuple[int, int, frozenset[int]]:
        """Find the place on one axis, the index left over, and the live exclusions."""
        start = 0
        free = self._hits(axis, -1, active)
        each = self._count(axis + 1, free)
        for named in [*self._groups(axis, active), len(self._axes[axis])]:
            run = (named - start) * each
            if index < run:
                place, index = divmod(index, each)
                return start + place, index, free
            index -= run
            if named == len(self._axes[axis]):
                break
            hits = self._hits(axis, named, active)
            here = self._count(axis + 1, hits)
            if index < here:
                return named, index, hits
            index -= here
            start = named + 1
        raise IndexError(index)

    def _include(self, addition: Combination) -> None:
        """Extend the combinations that agree with it, or add it as a new one."""
        own = {name: addition[name] for name in addition if name in self._names}
        places = self._places(own)
        if places is not None and self._matches(places):
            self._extend.append(addition)
        else:
            self._extra.append(dict(addition))

    def _matches(self, places: Sequence[frozenset[int] | None]) -> bool:
        """Tell whether any combination that is left stands at these places."""
        axes = [
            axis if here is None else _restricted(axis, here)
            for axis, here in zip(self._axes, places, strict=True)
        ]
        if not axes:
            return False
        return len(Matrix(axes, self._wanted)) > 0

    def _extended(self, chosen: dict[str, object]) -> Combination:
        for addition in self._extend:
            if all(
                chosen[name] == value
                for name, value in addition.items()
                if name in self._names
            ):
                chosen.update(addition)
        return chosen


def _positions(column: Sequence[object], value: object) -> set[int]:
    if isinstance(column, range) and isinstance(value, int):
        return {column.index(value)} if value in column else set()
    return {place for place, own in enumerate(column) if own == value}


def _restricted(axis: Axis, places: frozenset[int]) -> Axis:
    return Axis(
        {
            name: [column[place] for place in sorted(places)]
            for name, column in zip(axis.names, axis.columns, strict=True)
        }
    )
