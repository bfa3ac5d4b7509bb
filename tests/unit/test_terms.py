from __future__ import annotations

import pytest

from batcher.choice import Choice
from batcher.ledger import Standing, State
from batcher.models import Request
from batcher.retry import Policy
from batcher.settings import Settings
from batcher.worker import Terms


@pytest.mark.parametrize(
    ("size", "timeout", "seconds"),
    [
        ("1024x1024", None, 360.0),
        (None, None, 360.0),
        ("2048x2048", None, 600.0),
        ("3840x2160", None, 600.0),
        ("3840x2160", 42.0, 42.0),
    ],
)
def test_an_attempt_has_as_long_as_its_size_takes(
    size: str | None, timeout: float | None, seconds: float
) -> None:
    body = {"model": "m", "prompt": "p"} | ({"size": size} if size else {})
    request = Request(
        id="0" * 20, name="n", body=body, vars={}, output="n", origin="m.yaml:1"
    )
    terms = Terms(
        endpoint="e",
        prices=(),
        choice=Choice.of((), retry_unknown=True),
        policy=Policy(max_attempts=3),
        timeout=timeout,
    )
    assert terms.seconds(request) == seconds


@pytest.mark.parametrize("on_unknown", ["retry", "skip"])
def test_what_retry_names_says_nothing_of_what_becomes_unknown_now(
    on_unknown: str,
) -> None:
    settings = Settings(on_unknown=on_unknown)  # type: ignore[arg-type]  # as a test says
    choice = Choice.of(("unknown",), retry_unknown=on_unknown == "retry")
    terms = Terms.of(settings, choice, endpoint="e", prices={"e": ()})
    assert terms.choice.sends(Standing(state=State.UNKNOWN))
    assert terms.policy.retry_unknown is (on_unknown == "retry")
