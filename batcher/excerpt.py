"""Takes from manifests what can be looked at: all requests, or some of too many.

Nothing is sent before every request that may be sent was checked, so what is asked for
must be little enough to be walked first. Of a manifest that is larger, requests are
found by index and the others are never made. What only a walk of all could tell is then
not known: which requests repeat one that was not asked for, and which of the ledger's
are changed or orphaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.errors import UsageError
from batcher.extrapolation import draw_strata, extrapolated
from batcher.manifest import Problems, Wanted
from batcher.models import Problem
from batcher.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction

    from batcher.extrapolation import Stratum
    from batcher.manifest import Expansion
    from batcher.plan import Plan
    from batcher.planner import Planner

MOST_WALKED = 5_000_000
"""Requests that are walked: that takes under a minute and less than a gigabyte."""

MOST_COUNTED = 10**15
"""Beyond it a manifest is a slip of the hand."""


class Excerpt:
    """What of the manifests' requests a job looks at.

    Args:
        whole: All of their requests.
        selection: Which of them are asked for.
        most: How many may be walked.

    Attributes:
        expansion: The requests to walk.
        selection: Which of those are asked for.
        is_whole: Every request of the manifests is walked.
        refusal: Why nothing of it can be sent, if so; its plan is then an estimate.
        remarks: What the user should know of it.
    """

    def __init__(
        self, whole: Expansion, selection: Selection, *, most: int = MOST_WALKED
    ) -> None:
        self.expansion = self._whole = whole
        self.selection = selection
        self.is_whole = True
        self.refusal: str | None = None
        self.remarks: list[Problem] = []
        self._most = most
        self._asked = 0
        self._strata: list[Stratum] = []
        if whole.most() > most:
            self._narrow(whole.totals())

    def _narrow(self, totals: list[int]) -> None:
        total = sum(totals)
        if total <= self._most:
            return
        if total > MOST_COUNTED:
            raise UsageError(
                f"the manifest asks for more than {MOST_COUNTED:,} requests"
            )
        selection, self.selection, self.is_whole = self.selection, Selection(), False
        pool = selection.pool(total)
        drawn = selection.wanted(len(pool))
        if drawn <= self._most:
            indices = selection.indices(total)
            self.expansion = self._whole.only(Wanted(indices, totals))
            self._remark(
                f"{total:,} requests in all; no more was looked at than the"
                f" {len(indices):,} asked for"
            )
            return
        self._asked = len(range(drawn)[: selection.first])
        self._strata = draw_strata(totals, pool, self._asked)
        probed = [s.start + place for s in self._strata for place in s.places]
        self.expansion = self._whole.only(Wanted(probed, totals))
        self.refusal = (
            f"{drawn:,} requests are too many to be checked before one is sent, at most"
            f" {self._most:,} can be; take some with --first, --sample or --shard"
        )
        self._remark(
            f"{total:,} requests in all, counted; {len(probed):,} drawn evenly were"
            " checked, and the estimate is made from them: wrong values, repetitions"
            " and names used twice may be among the others"
        )

    def _remark(self, message: str) -> None:
        file = ", ".join(manifest.path for manifest in self._whole.manifests)
        self.remarks.append(Problem(file=file, line=None, field=None, message=message))

    def check_size(self) -> None:
        """Refuse what is too much to be checked first; raises `UsageError`."""
        if self.refusal is not None:
            raise UsageError(self.refusal)

    def estimate(self, found: Plan, planner: Callable[[], Planner]) -> Plan:
        """Make of the plan of what was looked at the plan of what is asked for.

        Args:
            found: The plan of what was looked at; its repetitions are kept.
            planner: Makes an empty planner.
        """
        if self.refusal is None:
            return found
        return extrapolated(
            self._counted(planner), total=self._asked, duplicates=found.duplicates
        )

    def _counted(
        self, make_planner: Callable[[], Planner]
    ) -> Iterator[tuple[Plan, Fraction]]:
        parts = self._whole.parts(Problems())
        for part, stratum in zip(parts, self._strata, strict=True):
            planner = make_planner()
            for request in part.at(stratum.places):
                planner.choose(request)
            yield planner.finish(), stratum.share
