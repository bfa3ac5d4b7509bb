"""Says how long a URL is asked for a paid image that it does not give. Pure.

A gateway may name a URL before its object store or CDN has the file, so "not found",
said once, is no reason to give up what was paid for:

| the URL answers                          | asked in one run | and then               |
|------------------------------------------|------------------|------------------------|
| 410, 451; may not be fetched from        | once             | it is gone for good    |
| 401, 403, 404: not there yet, or expired | 6 times in 13 s  | the next run asks, and |
|                                          |                  | then it is gone        |
| anything else: 5xx, cut off, no image    | 5 times in 30 s  | the next run asks      |

Those seconds are the longest; with full jitter it is half of them on average. Of a
URL that is gone for good nothing is awaited: the other images of its reply are kept,
and it is bought anew where `on_lost_url` says so. Of any other, all wait for the next
run, which takes up what has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from batcher.transport.download import ABSENT

if TYPE_CHECKING:
    from batcher.models import Failure


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table above.

    Attributes:
        tries: How often a URL is asked in one run.
        base: Seconds of the longest first delay, doubled each time.
        longest: Seconds of the longest delay.
        lasts: The run after the one that got the URL is not the last to ask.
    """

    tries: int
    base: float = 0.0
    longest: float = 0.0
    lasts: bool = False


GONE: Final = Patience(tries=1)
NOT_THERE: Final = Patience(tries=6, base=0.5, longest=6.0)
FAILING: Final = Patience(tries=5, base=2.0, longest=30.0, lasts=True)


def longest_delay(failure: Failure, tries: int) -> float | None:
    """Give the seconds until a URL is asked again, at the longest; None for never.

    Args:
        failure: What came of it the last time.
        tries: How often it was asked in this run.
    """
    patience = _patience(failure)
    if tries >= patience.tries:
        return None
    return min(patience.longest, patience.base * 2.0 ** (tries - 1))


def is_gone(failure: Failure, *, is_new: bool) -> bool:
    """Tell whether a URL that was asked to the end is gone for good.

    Args:
        failure: What came of it the last time.
        is_new: The URL has come in this run.
    """
    patience = _patience(failure)
    return patience is GONE or not (is_new or patience.lasts)


def _patience(failure: Failure) -> Patience:
    if failure.final:
        return GONE
    return NOT_THERE if failure.status in ABSENT else FAILING
