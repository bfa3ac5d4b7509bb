"""How plans and summaries read, without a run."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from batcher.cli.field import FieldCheck
from batcher.cli.invocation import program_words
from batcher.cli.words import (
    again,
    duration,
    go_on_line,
    plan_lines,
    summary_lines,
    unknown_lines,
)
from batcher.consent import changes_in
from batcher.fleet.allowance import Allowance
from batcher.governor import Budget, Halt, Limits
from batcher.models import Summary
from batcher.plan import Plan

LOST = Plan(total=5, new=4, lost=3, done=1, warnings={})
ONE = Summary(
    total=1, succeeded=1, images=1, attempts=1, errors={}, warnings={}, out="out"
)
SEVERAL_OF_ONE = re.compile(r"\b1 (requests|images|attempts)\b")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.2 s"),
        (59.4, "59 s"),
        (61.0, "1 min 01 s"),
        (3600.0, "1 h 00 min"),
        (47 * 3600.0 + 59 * 60, "47 h 59 min"),
        (48 * 3600.0, "2 days 00 h"),
        (729 * 86400.0 + 3600, "729 days 01 h"),
        (731 * 86400.0, "2 years"),
        (694_444 * 3600.0, "79 years"),
        (1e12, "31,688 years"),
    ],
)
def test_a_duration_is_told_in_units_that_somebody_can_imagine(
    seconds: float, words: str
) -> None:
    assert duration(seconds) == words


def test_one_of_a_kind_is_not_told_as_several() -> None:
    plan = Plan(total=1, new=1, images=1, warnings={}, groups=())
    told = [*plan_lines(plan, "out", 1.0, is_estimate=False), *summary_lines(ONE)]
    assert "1 request for out" in told
    assert "kept 1 of 1 request, 1 image in out" in told
    assert not SEVERAL_OF_ONE.search("\n".join(told))


def test_none_and_many_are_several() -> None:
    told = "\n".join(summary_lines(replace(ONE, succeeded=0, images=0, attempts=1200)))
    assert "0 images" in told
    assert "1,200 attempts" in told


def test_what_was_lost_is_told_apart_from_what_was_never_made() -> None:
    plan = [*plan_lines(LOST, "out", 1.0, is_estimate=False)]
    assert [line.split() for line in plan[1:4]] == [
        ["new", "1", "never", "made"],
        [
            "lost",
            "3",
            "bought",
            "before;",
            "the",
            "file",
            "is",
            "gone",
            "or",
            "changed",
        ],
        ["done", "1", "kept"],
    ]
    summary = [*summary_lines(replace(ONE, total=6, pending=5, lost=3))]
    assert [line.split()[:2] for line in summary[1:3]] == [
        ["lost", "3"],
        ["pending", "2"],
    ]
    assert "pending" not in "".join(summary_lines(replace(ONE, pending=3, lost=3)))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("server: The server had an error.", "server: The server had an error, again"),
        ("server: wait...", "server: wait, again"),
        ("connect: refused", "connect: refused, again"),
    ],
)
def test_no_full_stop_stands_before_the_comma(words: str, told: str) -> None:
    assert again(words, 0.5) == f"{told} in 0.5 s"


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            Plan(total=5, new=1, orphaned=4, warnings={}),
            "the manifest lacks 4 that the ledger has: going on would buy 1 new",
        ),
        (
            Plan(total=5, new=1, orphaned=4, accepted=3, warnings={}),
            "the manifest lacks 1 that the ledger has: going on would buy 1 new",
        ),
        (
            Plan(total=5, changed=2, orphaned=4, accepted=4, warnings={}),
            "2 requests changed: going on would buy 2 anew",
        ),
        (
            Plan(total=5, changed=1, done=4, warnings={}),
            "1 request changed: going on would buy 1 anew",
        ),
        (
            Plan(total=9, new=3, lost=1, changed=2, orphaned=1, done=4, warnings={}),
            (
                "2 requests changed and the manifest lacks 1 that the ledger has:"
                " going on would buy 3 anew and 2 new"
            ),
        ),
    ],
)
def test_what_needs_consent_is_told_without_what_there_is_none_of(
    plan: Plan, words: str
) -> None:
    assert changes_in(plan) == words


@pytest.mark.parametrize(
    ("stopped", "words"),
    [
        (("spend", "max_spend 1 USD: 1 spent"), ", once --max-spend allows more"),
        (("spend", "max_images 5: 5 are made"), ", once --max-images allows more"),
        (("spend", "the request has no price, so …"), ", once requests have a price"),
        (("spend", "the time is up: max_time is 5 s"), ""),
        (("auth", "Incorrect API key"), ", once that is mended"),
        (("quota", "no balance"), ", once that is mended"),
        (("config", "no such model"), ", once that is mended"),
        (("bad_reply", "25 requests in a row"), ", once that is mended"),
        (("ambiguous", "25 requests in a row"), ", once that is mended"),
        (("interrupted", "stopped by a signal"), ""),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, tuple) else None,
)
def test_the_way_on_names_what_must_come_before_it(
    stopped: tuple[str, str], words: str
) -> None:
    cause = dict(zip(("class", "message"), stopped, strict=True))
    assert go_on_line(cause, "batcher run", is_forced=False) == (
        f"to go on{words}: batcher run"
    )


@pytest.mark.parametrize(
    ("budget", "usd", "words"),
    [
        (Budget(), Decimal(2), "once --max-spend allows more"),
        (Allowance(lambda _: False), Decimal(2), "once --max-spend allows more"),
        (Budget(), None, "once requests have a price"),
        (Budget(images=5), Decimal(1), "once --max-images allows more"),
    ],
)
def test_the_way_on_knows_the_words_of_every_halt_for_money(
    budget: Budget, usd: Decimal | None, words: str
) -> None:
    limits = Limits(max_spend=Decimal(1), max_images=5)
    answer = budget.check(limits, images=1, usd=usd)
    assert isinstance(answer, Halt)
    failure = answer.failure
    cause = {"class": failure.error_class.value, "message": failure.message}
    assert words in go_on_line(cause, "batcher run", is_forced=False)


def test_the_way_on_of_a_forced_run_lacks_its_force_and_says_why() -> None:
    *_, last = summary_lines(ONE, "batcher run", is_forced=True)
    why = "which makes anew what is kept by now, too"
    assert last == f"to go on without --force, {why}: batcher run"


def test_the_program_is_named_as_it_was_called(tmp_path: Path) -> None:
    script = tmp_path / "here" / "batcher"
    script.parent.mkdir()
    script.touch()
    other = tmp_path / "batcher"
    other.touch()
    assert program_words(str(script), "python", str(script)) == ["batcher"]
    assert program_words(str(script), "python", str(other)) == [str(script)]
    assert program_words(str(script), "python", None) == [str(script)]
    module = str(tmp_path / "batcher" / "__main__.py")
    assert program_words(module, "python3", str(other)) == ["python3", "-m", "batcher"]
    assert program_words(module, "python3", None) == ["python3", "-m", "batcher"]
    own = Path(sys.executable).with_name("batcher")
    if own.exists():
        assert program_words(module, "python3", str(own)) == ["batcher"]


@pytest.mark.parametrize(
    ("unknown", "plan", "is_sent_again", "told"),
    [
        (
            2,
            Plan(total=3, unknown=2, unknown_usd=Decimal("0.5"), warnings={}),
            True,
            [
                (
                    "warning: the outcome of 2 requests is not known, $0.5000 may have"
                    " been billed; what is not found whole is sent again"
                )
            ],
        ),
        (
            1,
            Plan(total=3, unknown=2, fetched=1, warnings={}),
            False,
            [
                (
                    "warning: the outcome of 1 request is not known, an unpriced amount"
                    " may have been billed; what is not found whole is left alone"
                ),
                "note: 1 paid image is fetched again, for free",
            ],
        ),
        (
            0,
            Plan(total=3, unknown=2, fetched=2, warnings={}),
            True,
            ["note: 2 paid images are fetched again, for free"],
        ),
    ],
    ids=["sent again", "left alone", "only fetched"],
)
def test_what_is_unknown_is_told_apart_from_what_is_only_fetched(
    unknown: int, plan: Plan, told: list[str], *, is_sent_again: bool
) -> None:
    assert [*unknown_lines(unknown, plan, is_sent_again=is_sent_again)] == told


def test_a_field_that_no_request_has_is_named_with_a_near_one() -> None:
    check = FieldCheck(dict.fromkeys(["nam", "city", "vars.lihgt", "zzz"], "--fields"))
    check.look({"name": "a", "vars": {"light": "dawn"}})
    check.look({"name": "b", "vars": {"city": "Tokyo"}})
    assert [*check.warnings()] == [
        "--fields: no request listed has a field 'nam'; did you mean 'name'?",
        "--fields: no request listed has a field 'vars.lihgt'; did you mean 'light'?",
        "--fields: no request listed has a field 'zzz'; --json shows what they have",
    ]


def test_without_a_request_no_field_is_called_a_mistake() -> None:
    assert not [*FieldCheck({"nope": "--sort"}).warnings()]
