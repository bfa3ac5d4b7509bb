"""How a run goes about its work: the settings, and who beats whom.

A flag beats an environment variable, which beats the manifest's `settings`, which beat
the endpoint's. Knows nothing of files or endpoints.
"""

from __future__ import annotations

import difflib
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Literal,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from batcher.errors import UsageError
from batcher.models import ErrorClass

LARGEST_NUMBER = 10**9
"""Of any setting; what is larger is a slip of the hand."""

_LEAST = {"max_spend": 0, "lease": 2}
_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "an amount in USD",
    dict: "attempts by error class such as {server: 8}",
    tuple: "a list of error classes",
}

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a run goes about its work.

    Attributes:
        concurrency: Requests in flight at most.
        ipm: Images a minute at most; None finds the pace by itself.
        rpm: Requests a minute at most.
        adaptive: Find and hold the pace that the gateway allows.
        timeout: Seconds for one attempt; None is 360, or 600 from 2K up.
        max_attempts: Attempts in all, per request and run.
        max_spend: USD that this run directory may cost.
        max_images: Images that this run directory may hold.
        max_time: Seconds after which no new request leaves.
        longest_wait: Seconds without one success under rate limiting before stopping.
        wait_for_quota: Sleep and probe when the money is out, instead of stopping.
        on_unknown: Whether a request whose outcome is not known is sent again.
        on_mismatch: What to do with an image of another size, format or quality.
        on_lost_url: What to do when a paid image's URL is gone for good.
        duplicates: Whether rows that ask for the same are bought once or each.
        references_as: How reference images stand on the wire.
        retry: Attempts per error class, over `max_attempts`; 1 never tries again.
        stop_on: Error classes that stop the run when a request ends with one.
        embed_metadata: Put into each image's file whence it came.
        lease: Seconds of silence after which a worker's shard may be another's.
    """

    concurrency: int = 8
    ipm: float | None = None
    rpm: float | None = None
    adaptive: bool = True
    timeout: float | None = None
    max_attempts: int = 5
    max_spend: Decimal | None = None
    max_images: int | None = None
    max_time: float | None = None
    longest_wait: float = 1800.0
    wait_for_quota: bool = False
    on_unknown: Literal["retry", "skip"] = "retry"
    on_mismatch: Literal["keep", "fail", "retry"] = "keep"
    on_lost_url: Literal["fail", "buy"] = "fail"
    duplicates: Literal["once", "each"] = "once"
    references_as: Literal["base64", "data_uri"] = "base64"
    retry: dict[str, int] = {}
    stop_on: tuple[str, ...] = ()
    embed_metadata: bool = False
    lease: float = 60.0


def merge_settings(layers: Iterable[tuple[str, Mapping[str, object]]]) -> Settings:
    """Merge settings, each layer over the ones before it.

    Args:
        layers: Where each comes from, for messages, and what it sets.

    Raises:
        UsageError: A setting is unknown or its value does not fit.
    """
    merged: dict[str, object] = {}
    for where, layer in layers:
        for name, value in layer.items():
            merged[name] = checked_setting(name, value, where)
    return Settings(**merged)  # type: ignore[arg-type]  # checked one by one above


def checked_setting(name: str, value: object, where: str) -> object:
    """Check one setting; text is read as what it says. Raises `UsageError`."""
    kinds = setting_types()
    check_known(name, kinds, f"{where}: unknown setting")
    if value is None:
        return getattr(Settings(), name)
    try:
        fitted: object = msgspec.convert(value, kinds[name], strict=False)
    except ValueError as error:  # msgspec's own, and Decimal's
        expected = _expected(kinds[name])
        raise UsageError(
            f"{where}: {name}: expected {expected}, got {value!r}"
        ) from error
    if isinstance(fitted, int | float | Decimal) and not isinstance(fitted, bool):
        _check_number(name, fitted, where)
    if isinstance(fitted, dict):
        _check_retry(fitted, where)
    if name == "stop_on":
        for each in cast("tuple[str, ...]", fitted):
            check_known(each, tuple(ErrorClass), f"{where}: stop_on: unknown class")
    return fitted


def settings_from(environment: Mapping[str, str]) -> dict[str, object]:
    """Collect settings from `BATCHER_…` variables; tables and lists have none."""
    found: dict[str, object] = {}
    for name in setting_types():
        value = environment.get(f"BATCHER_{name.upper()}", "").strip()
        if value and name not in ("retry", "stop_on"):
            found[name] = value
    return found


@cache
def setting_types() -> Mapping[str, object]:
    """Give the type of each setting, by name."""
    return get_type_hints(Settings)


def _expected(kind: object) -> str:
    """Say what a setting of a type takes."""
    if isinstance(kind, UnionType):  # with None, which gives the default
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return _WORDS[get_origin(kind) or kind]


def _check_number(name: str, value: float | Decimal, where: str) -> None:
    least = _LEAST.get(name, 0.001)
    # Asked first: a Decimal that is no number cannot be compared.
    is_number = value.is_finite() if isinstance(value, Decimal) else True
    if not is_number or not least <= value <= LARGEST_NUMBER:
        wanted = f"{_LEAST[name]} or more" if name in _LEAST else "above 0"
        raise UsageError(
            f"{where}: {name}: must be {wanted}, at most {LARGEST_NUMBER:,}, got"
            f" {str(value)!r}"
        )


def _check_retry(policy: Mapping[str, int], where: str) -> None:
    for name, attempts in policy.items():
        check_known(name, tuple(ErrorClass), f"{where}: retry: unknown class")
        if attempts < 1:
            raise UsageError(f"{where}: retry.{name}: must be 1 or more: {attempts!r}")


def check_known(name: str, known: Iterable[str], words: str) -> None:
    """Refuse a name that is not known, naming the nearest; raises `UsageError`."""
    names = [str(each) for each in known]
    if name not in names:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
        raise UsageError(f"{words} {name!r}; {hint}")
