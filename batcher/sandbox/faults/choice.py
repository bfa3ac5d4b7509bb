"""Decides which fault a POST meets: by the prompt's own wish, or by lot.

The lot depends on the seed, the prompt and how often it was posted, so a rehearsal
is the same whatever the order in which its requests arrive.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

from batcher.sandbox.chance import chance
from batcher.sandbox.faults.download import DOWNLOADS
from batcher.sandbox.faults.failure import FAILURES
from batcher.sandbox.faults.fault import HONEST, Fault
from batcher.sandbox.faults.refusal import REFUSALS
from batcher.sandbox.faults.spoiling import SPOILINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTS = {fault.name: fault for fault in (*REFUSALS, *FAILURES, *SPOILINGS, *DOWNLOADS)}
"""Every fault by its name."""

WISH = re.compile(r"\bsandbox:([a-z][a-z0-9_]*)(?:\*(\d+))?")


class FaultRule(msgspec.Struct, frozen=True, kw_only=True):
    """How often a fault is played.

    Attributes:
        name: A fault of the table.
        probability: Share of the POSTs that meet it, 0 to 1.

    Raises:
        ValueError: There is no such fault, or no such probability.
    """

    name: str
    probability: float = 1.0

    def __post_init__(self) -> None:
        find(self.name)
        if not 0 <= self.probability <= 1:
            raise ValueError(
                f"probability of fault {self.name!r} is {self.probability!r}: "
                "give a number from 0 to 1"
            )


def find(name: str) -> Fault:
    """Look a fault up.

    Raises:
        ValueError: There is none; the message names the nearest.
    """
    if name in FAULTS:
        return FAULTS[name]
    near = get_close_matches(name, FAULTS, n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else "`batcher sandbox --list-faults` names them"
    )
    raise ValueError(f"no fault is called {name!r}: {hint}")


def choose(rules: Sequence[FaultRule], prompt: str, count: int, *, seed: int) -> Fault:
    """Choose what one POST meets.

    Args:
        rules: Each takes its share of all POSTs, in turn; what is beyond the whole is
            never reached.
        prompt: A prompt that names faults (`sandbox:NAME`, `sandbox:NAME*2`) meets
            these, one after the other, and nothing else.
        count: How often the prompt was posted, this time included.
        seed: Another seed makes other choices.

    Raises:
        ValueError: The prompt names a fault that does not exist.
    """
    wishes = WISH.findall(prompt)
    if wishes:
        return grant(wishes, count)
    lot = chance(seed, "fault", prompt, count)
    for rule in rules:
        if lot < rule.probability:
            return FAULTS[rule.name]
        lot -= rule.probability
    return HONEST


def grant(wishes: Sequence[tuple[str, str]], count: int) -> Fault:
    """Give the wish whose turn it is; one without a number has no end."""
    for name, times in wishes:
        fault = find(name)
        if not times or count <= int(times):
            return fault
        count -= int(times)
    return HONEST


def parse_faults(text: str) -> tuple[FaultRule, ...]:
    """Read `truncate=0.05,rate_limited=0.1,moderation` (`--faults`).

    A name without a number means always; `all=0.2` is shared among all faults.

    Raises:
        ValueError: A name or a number is wrong.
    """
    rules: list[FaultRule] = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, share = (word.strip() for word in part.partition("="))
        try:
            probability = float(share) if share else 1.0
        except ValueError as wrong:
            raise ValueError(
                f"probability {share!r} of fault {name!r}: give a number from 0 to 1"
            ) from wrong
        names = FAULTS if name == "all" else {name: None}
        rules += (
            FaultRule(name=each, probability=probability / len(names)) for each in names
        )
    return tuple(rules)


def list_faults() -> str:
    """Describe every fault, one a line, for a help text."""
    width = max(map(len, FAULTS))
    return "\n".join(f"{fault.name:{width}}  {fault.doc}" for fault in FAULTS.values())
