"""Decides what follows a failed attempt; never sleeps, draws or sends.

The rules are the table of README, Errors of a request. Delays are exponential with full
jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), and
never shorter than what the gateway asked for, as far as the user is ready to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from batcher.models import ErrorClass, Failure, Status


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What one class of error means for its request and its run.

    Attributes:
        retries: Another attempt may help.
        uses_attempt: It counts towards `max_attempts`. One that does not is about
            pace: the governor holds everyone back for as long as was asked.
        base: Seconds of the first delay, doubled each time.
        longest: Seconds of the longest delay.
        ends: How the request ends when no attempt follows.
        stops_run: No other request would fare better.
    """

    retries: bool = True
    uses_attempt: bool = True
    base: float = 1.0
    longest: float = 60.0
    ends: Status = Status.FAILED
    stops_run: bool = False


_FINAL = Rule(retries=False, ends=Status.REJECTED)
_STOP = Rule(retries=False, stops_run=True)

RULES: Mapping[ErrorClass, Rule] = {
    ErrorClass.CONNECT: Rule(),
    ErrorClass.RATE_LIMITED: Rule(uses_attempt=False),
    ErrorClass.OVERLOADED: Rule(base=4.0, longest=120.0),
    ErrorClass.SERVER: Rule(),
    ErrorClass.AMBIGUOUS: Rule(),
    ErrorClass.BAD_REPLY: Rule(),
    ErrorClass.DOWNLOAD: Rule(retries=False),
    ErrorClass.MODERATION: _FINAL,
    ErrorClass.INVALID: _FINAL,
    ErrorClass.AUTH: _STOP,
    ErrorClass.QUOTA: _STOP,
    ErrorClass.CONFIG: _STOP,
    ErrorClass.STORE: _STOP,
    ErrorClass.LEASE: _STOP,
    ErrorClass.SPEND: _STOP,
}
"""Every class of an error. `download` has fetches of its own, never a new POST, see
`worker.patience`."""


class Next(StrEnum):
    """What follows a failed attempt."""

    RETRY = "retry"
    END = "end"
    LEAVE_UNKNOWN = "leave_unknown"
    STOP = "stop"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a failed attempt.

    Attributes:
        next: What to do.
        delay: Seconds until the next attempt may ask to leave.
        status: How the request ends, when it does.
    """

    next: Next
    delay: float = 0.0
    status: Status = Status.FAILED


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the user may choose.

    Attributes:
        max_attempts: Attempts in all.
        by_class: Attempts per class, over `max_attempts`.
        retry_unknown: Send again what may have been billed.
        wait_for_quota: Wait for money instead of stopping.
        longest_wait: Seconds a gateway may ask for. More of them end the request, for
            the next run to try; a quota that is waited for is asked about sooner.
    """

    max_attempts: int
    by_class: Mapping[str, int] = {}
    retry_unknown: bool = True
    wait_for_quota: bool = False
    longest_wait: float = 1800.0


def uses_attempt(failure: Failure) -> bool:
    """Tell whether a failure counts towards `max_attempts`."""
    return RULES[failure.error_class].uses_attempt


def decide(
    failure: Failure,
    policy: Policy,
    *,
    used: int,
    tries: int,
    random: Callable[[], float],
) -> Decision:
    """Decide what follows a failed attempt.

    Args:
        failure: Why it failed.
        policy: What the user chose.
        used: Attempts of this run that count, this one included.
        tries: Attempts of this run in all, for the delay.
        random: Gives numbers from 0 to 1.
    """
    rule = RULES[failure.error_class]
    own = policy.by_class.get(failure.error_class)
    delay = _delay(rule, failure, policy, tries=tries, random=random)
    if failure.error_class is ErrorClass.QUOTA and policy.wait_for_quota:
        return Decision(next=Next.RETRY, delay=delay)
    if rule.stops_run:
        return Decision(next=Next.STOP)
    if failure.error_class is ErrorClass.AMBIGUOUS and not policy.retry_unknown:
        return Decision(next=Next.LEAVE_UNKNOWN)
    is_too_long = (
        rule.uses_attempt and (failure.retry_after or 0.0) > policy.longest_wait
    )
    is_used_up = _is_used_up(rule, policy, own, used=used, tries=tries)
    if failure.final or is_too_long or is_used_up:
        return Decision(next=Next.END, status=rule.ends)
    return Decision(next=Next.RETRY, delay=delay)


def _is_used_up(
    rule: Rule, policy: Policy, own: int | None, *, used: int, tries: int
) -> bool:
    """Tell whether no attempt is left; a class's own number beats the rule."""
    if own is not None:
        return (used if rule.uses_attempt else tries) >= own
    return not rule.retries or (rule.uses_attempt and used >= policy.max_attempts)


def _delay(
    rule: Rule,
    failure: Failure,
    policy: Policy,
    *,
    tries: int,
    random: Callable[[], float],
) -> float:
    jittered = random() * min(rule.longest, rule.base * 2.0 ** min(tries - 1, 30))
    if failure.retry_after is None or not rule.uses_attempt:
        return jittered
    return min(failure.retry_after, policy.longest_wait) + min(jittered, 1.0)
