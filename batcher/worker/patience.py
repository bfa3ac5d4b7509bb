"""Says how long a URL is asked for a paid image that it does not give. Pure.

A gateway may name a URL before its object store or CDN has the file, so "not found",
said once, is no reason to give up what was paid for:

| the URL answers                       | asked in one run | and then            |
|---------------------------------------|------------------|---------------------|
| 410, 451; may not be fetched from     | once             | it is gone for good |
| 401, 403, 404 in the run that got it: | 6 times in 13 s  | the next run asks   |
| not there yet                         |                  |                     |
| 401, 403, 404 in a later run: expired | once             | it is gone for good |
| anything else: 5xx, cut off, no image | 5 times in 30 s  | the next run asks   |

Those seconds are the longest; with full jitter it is half of them on average. A later
run asks an absent one once, also where the run that got the URL was killed before it
had asked at all: there is no telling how long ago that was, and to wait for each of
hundreds that have expired would take hours.

Of a URL that is gone for good nothing is awaited: the other images of its reply are
kept, and it is bought anew where `on_lost_url` says so. Of any other, all wait for the
next run, which takes up what has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from batcher.transport.download import ABSENT_STATUSES

if TYPE_CHECKING:
    from batcher.models import Failure


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table above.

    Attributes:
        tries: How often a URL is asked in one run.
        base: Seconds of the longest first delay, doubled each time.
        longest: Seconds of the longest delay.
    """

    tries: int
    base: float = 0.0
    longest: float = 0.0


GONE: Final = Patience(tries=1)
NOT_THERE: Final = Patience(tries=6, base=0.5, longest=6.0)
FAILING: Final = Patience(tries=5, base=2.0, longest=30.0)


def longest_delay(failure: Failure, tries: int, *, is_new: bool) -> float | None:
    """Give the seconds until a URL is asked again, at the longest; None for never.

    Args:
        failure: What came of it the last time.
        tries: How often it was asked in this run.
        is_new: The URL has come in this run.
    """
    patience = _patience(failure, is_new=is_new)
    if tries >= patience.tries:
        return None
    return min(patience.longest, patience.base * 2.0 ** (tries - 1))


def is_gone(failure: Failure, *, is_new: bool) -> bool:
    """Tell whether a URL that was asked to the end is gone for good.

    Args:
        failure: What came of it the last time.
        is_new: The URL has come in this run.
    """
    return _patience(failure, is_new=is_new) is GONE


def _patience(failure: Failure, *, is_new: bool) -> Patience:
    if failure.final:
        return GONE
    if failure.status not in ABSENT_STATUSES:
        return FAILING
    return NOT_THERE if is_new else GONE
