"""Tells whether the images in flight, and one request more, still fit where they go.

An image that finds the disk full is paid and lost, so what is in flight has its space
put aside, as the budget puts its money aside. Knows nothing of disks: it is given a
function that measures what is free.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from batcher import sizes
from batcher.governor.admission import Admission, Halt, Hold
from batcher.models import ErrorClass, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Space"]

SECONDS = 1.0
"""How old a measure may be while there is plenty."""

LINES = 4096
"""Bytes of the ledger's lines for one image: announced, and what became of it."""

FIRST_AREA = 1024 * 1024
"""Pixels taken for an image of no stated size: see `_image`."""

FIRST_DEPTH = 2
"""Bytes taken for each pixel of a size that nothing is known of: see `_image`."""

FAIR_SHARE = 4
"""The first of a size may need less than the guess, hardly less than a fourth of it."""


class Space:
    """Space for images; a request has its own from its admission until it is settled.

    As long as something is in flight nobody is refused, only held: what is drawn may be
    smaller than what was put aside, and somebody may free some space. Of a size that
    nothing is known of, one is let go alone to see it, where a fair share of the guess
    is free. Several workers on one disk know nothing of what the others put aside.

    Args:
        measure: Gives the bytes that are free; None where nobody knows.
        place: Where that is, for people.
        kept: Walks the images of earlier runs, each size as it was sent and its bytes;
            asked once, and only when a guess does not fit.
    """

    def __init__(
        self,
        measure: Callable[[], int | None] = lambda: None,
        *,
        place: str = "",
        kept: Callable[[], Iterable[tuple[str | None, int]]] = lambda: (),
    ) -> None:
        self._measure = measure
        self._place = place
        self._kept = kept
        self._is_recalled = False
        self._largest: dict[str | None, int] = {}
        self._out: dict[int, tuple[str | None, int]] = {}
        self._left = 0.0  # of what was free at the last look, beyond what is put aside
        self._next_look = -inf

    def check(self, now: float, size: str | None, images: int) -> Hold | Halt | None:
        """Check whether a request still fits.

        Args:
            now: The time.
            size: As it is sent.
            images: How many it asks for.
        """
        wanted = self._need(size, images)
        if now >= self._next_look or wanted > self._left:
            self._look(now)
        if wanted <= self._left:
            return None
        if size not in self._largest and not self._is_recalled:
            self._recall()
            return self.check(now, size, images)
        if self._out:
            return Hold(until=now + SECONDS, reason="the disk is nearly full")
        if size not in self._largest and wanted <= FAIR_SHARE * self._left:
            return None
        words = (
            f"cannot keep another image in {self._place!r}: No space left: "
            f"{_bytes(self._left)} free, {_bytes(wanted)} needed; what is kept is "
            "safe; free some space there and run it again"
        )
        return Halt(failure=Failure(error_class=ErrorClass.STORE, message=words))

    def put_aside(self, admission: Admission, size: str | None) -> None:
        """Put a request's space aside, as it leaves."""
        self._out[admission.number] = size, admission.images
        self._left -= self._need(size, admission.images)

    def settle(self, admission: Admission) -> None:
        """Take it that what a request brought is on the disk by now, or never comes."""
        del self._out[admission.number]

    def saw(self, size: str | None, image: int) -> None:
        """Note how many bytes an image of a size has; the next may have half more."""
        self._largest[size] = max(image + image // 2, self._largest.get(size, 0))

    def _recall(self) -> None:
        """Take in what earlier runs have seen."""
        self._is_recalled = True
        for size, image in self._kept():
            self.saw(size, image)
        self._next_look = -inf  # what is out is counted by other sizes now

    def _look(self, now: float) -> None:
        free = self._measure()
        aside = sum(self._need(*request) for request in self._out.values())
        self._left = inf if free is None else free - aside
        self._next_look = now + SECONDS

    def _need(self, size: str | None, images: int) -> int:
        return images * (self._image(size) + LINES)

    def _image(self, size: str | None) -> int:
        """Give the bytes of the largest image of a size; a guess before the first.

        PNGs of 1024x1024 were 0.77 to 1.7 MB, up to 1.6 bytes a pixel (SolveaCX's
        new-api, docs/api/codex-image/codex-image-generation-test-report.html).
        """
        if size in self._largest:
            return self._largest[size]
        edges = None if size is None else sizes.parse(size)
        return FIRST_DEPTH * (FIRST_AREA if edges is None else edges[0] * edges[1])


def _bytes(number: float) -> str:
    """Write a size for people."""
    if number < 1e6:
        return f"{max(0.0, number) / 1e3:.0f} kB"
    return f"{number / 1e6:,.1f} MB"
