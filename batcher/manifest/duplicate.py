"""Rows that ask for the same as an earlier one, or its file: named, or told apart.

What is the same is the request's content, so its id is, too; a row's name is not part
of it. Holds numbers, not rows: a manifest may repeat itself a million times.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from batcher.manifest.output import collision_key
from batcher.manifest.recipe import request_id
from batcher.models import Problem
from batcher.plural import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from batcher.manifest.problem import Problems
    from batcher.models import Request

MOST_NAMED = 5
"""Rows or entries that are named one by one."""


class Repetitions:
    """The rows of a manifest that repeat others; names the first few.

    An entry that repeats itself or others many times is named once.
    """

    def __init__(self) -> None:
        self._first: dict[str, Request] = {}
        self._times: Counter[str] = Counter()
        self._total = 0

    def add(self, request: Request) -> None:
        """Note a request that repeats an earlier one."""
        self._total += 1
        if request.origin in self._first or len(self._first) < MOST_NAMED:
            self._first.setdefault(request.origin, request)
            self._times[request.origin] += 1

    def told(self, requests: Iterable[Request]) -> list[Problem]:
        """Say which rows repeat which.

        Args:
            requests: The manifest's requests anew; read as far as needed.
        """
        origins: dict[str, str] = {}
        wanted = {request.id for request in self._first.values()}
        for request in requests if wanted else ():
            if request.id in wanted:
                origins.setdefault(request.id, request.origin)
            if len(origins) == len(wanted):
                break
        found = [
            _told(each, origins.get(each.id, "an earlier one"), self._times[origin])
            for origin, each in self._first.items()
        ]
        more = self._total - self._times.total()
        if more:
            words = f"and {counted(more, 'more request')} of that kind"
            found.append(replace(found[-1], line=None, message=words))
        return found


def _told(request: Request, origin: str, times: int) -> Problem:
    file, _, line = request.origin.rpartition(":")
    same = "another of this entry" if origin == request.origin else origin
    what = f"asks for the same as {same}"
    if times > 1:
        what = f"{times:,} of its requests repeat others, the first of them {same}"
    message = f"{what}; bought once, --duplicates each buys each"
    return Problem(file=file, line=int(line), field=None, message=message)


def name_clashes(
    requests: Iterable[Request], clashes: Collection[str], problems: Problems
) -> None:
    """Say which requests share an output path.

    Args:
        requests: The manifest's requests anew.
        clashes: The paths that are shared, folded.
        problems: Where it is said.
    """
    seen: set[int] = set()
    first: dict[str, Request] = {}
    for request in requests:
        if hash(request.id) in seen:
            continue
        seen.add(hash(request.id))
        key = collision_key(request.output)
        if key not in clashes or first.setdefault(key, request) is request:
            continue
        file, _, line = request.origin.rpartition(":")
        message = (
            f"{request.output!r} is also the file of {first[key].origin}"
            f" ({first[key].output!r}); give each a name or output of its own"
        )
        problems.add(file, int(line), "output", message)


class Numbering:
    """Makes each repetition a request of its own: one more sample of the same.

    The second of several equal rows has the id that the second of `samples` would
    have, and so on: which of them comes first is of no account.
    """

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._outputs: set[int] = set()
        self._last: dict[int, int] = {}

    def numbered(self, request: Request) -> Request:
        """Give the request, under another id when its own is taken."""
        if hash(request.id) in self._ids:
            request = self._renumbered(request)
        self._ids.add(hash(request.id))
        self._outputs.add(hash(collision_key(request.output)))
        return request

    def _renumbered(self, request: Request) -> Request:
        sample = self._last.get(hash(_id(request, 1)), 1) + 1
        while hash(_id(request, sample)) in self._ids:
            sample += 1
        self._last[hash(_id(request, 1))] = sample
        new = _id(request, sample)
        name = _with_id(request.name, request.id, new)
        output = _with_id(request.output, request.id, new)
        if hash(collision_key(output)) in self._outputs:
            name, output = f"{name}-{sample}", f"{output}-{sample}"
        return replace(request, id=new, name=name, output=output)


def _id(request: Request, sample: int) -> str:
    return request_id(
        request.body,
        request.references,
        single=request.single_reference,
        sample=sample,
    )


def _with_id(text: str, old: str, new: str) -> str:
    """Put an id into a label that was made with another, whole or its beginning."""
    return text.replace(old, new).replace(old[:8], new[:8])
