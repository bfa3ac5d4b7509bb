"""Collects the mistakes of a manifest, so that all are told at once."""

from __future__ import annotations

from batcher.models import Problem
from batcher.plural import counted


class Problems:
    """Collects mistakes; one that recurs is kept once, with the number of places.

    Attributes:
        total: How many different mistakes there were; the first `limit` are kept.
    """

    def __init__(self, limit: int = 200) -> None:
        self.total = 0
        self._limit = limit
        self._where: dict[Problem, str] = {}
        self._times: dict[Problem, int] = {}

    def add(
        self,
        file: str,
        line: int | None,
        field: str | None,
        message: str,
        *,
        where: str = "",
    ) -> None:
        """Note one mistake at `file:line`, in `field`.

        Args:
            file: The file as the user named it.
            line: 1-based line; 0 for what the command line sets.
            field: The field's path.
            message: What is wrong.
            where: The row or combination it was met at, for a mistake that may recur.
        """
        if line == 0:
            file, line = "--set", None
        problem = Problem(file=file, line=line, field=field, message=message)
        if problem in self._times:
            self._times[problem] += 1
            return
        self.total += 1
        if self.total <= self._limit:
            self._where[problem] = where
            self._times[problem] = 1

    def all(self) -> list[Problem]:
        """Give what was kept, and a line that says how many more there are."""
        found = [self._told(problem) for problem in self._where]
        more = self.total - len(found)
        if more:
            message = f"and {counted(more, 'more mistake')}, not listed"
            last = found[-1].file
            found.append(Problem(file=last, line=None, field=None, message=message))
        return found

    def _told(self, problem: Problem) -> Problem:
        where, more = self._where[problem], self._times[problem] - 1
        if not where:
            return problem
        where += f" and {more} more" if more else ""
        return Problem(
            file=problem.file,
            line=problem.line,
            field=problem.field,
            message=f"{problem.message} ({where})",
        )
