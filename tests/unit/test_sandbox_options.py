from __future__ import annotations

import pytest

from batcher.sandbox import FaultRule, SandboxOptions, parse_faults, parse_latency
from batcher.sandbox.faults import FAULTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", (0.5, 0.5)),
        ("0.2-2", (0.2, 2.0)),
        ("0", (0.0, 0.0)),
        (" 1 - 3 ", (1, 3)),
    ],
)
def test_a_latency_is_one_number_or_a_range(
    text: str, expected: tuple[float, float]
) -> None:
    assert parse_latency(text) == expected


@pytest.mark.parametrize(
    "text", ["", "fast", "2-1", "-1", "1-", "nan", "0-inf", "1-2-3"]
)
def test_a_wrong_latency_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="give seconds") as caught:
        parse_latency(text)
    assert repr(text) in str(caught.value)


def test_faults_are_names_with_or_without_a_share() -> None:
    assert parse_faults("truncate=0.05, rate_limited = 0.1,moderation") == (
        FaultRule(name="truncate", probability=0.05),
        FaultRule(name="rate_limited", probability=0.1),
        FaultRule(name="moderation"),
    )
    assert parse_faults("") == ()


def test_all_is_shared_among_every_fault() -> None:
    rules = parse_faults("all=0.2")
    assert {rule.name for rule in rules} == set(FAULTS)
    assert sum(rule.probability for rule in rules) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trunkate", "did you mean 'truncate'"),
        ("zzzzzz=1", "`batcher sandbox --list-faults` names them"),
        ("hang=often", "'often' of fault 'hang'"),
        ("hang=1.5", "probability of fault 'hang' is 1.5"),
        ("hang=-0.1", "from 0 to 1"),
        ("hang=nan", "from 0 to 1"),
    ],
)
def test_a_wrong_fault_is_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="fault") as caught:
        parse_faults(text)
    assert message in str(caught.value)


def test_a_limit_that_lets_nothing_through_is_refused() -> None:
    for ipm in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="ipm is"):
            SandboxOptions(ipm=ipm)
    with pytest.raises(ValueError, match="burst is 0"):
        SandboxOptions(burst=0)
