"""What is let out along several endpoints, by whose pace."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from batcher.governor import Admission, Budget, Governor, Limits, Rotation
from batcher.job import Job, require_endpoint
from batcher.options import Options
from batcher.ways import Way, make_governor

KEYS = {"ONE": "k", "TWO": "k", "THREE": "k"}
SECOND = '[endpoints.b]\nbase_url = "http://127.0.0.1:2"\nkey_env = "TWO"\nipm = 5\n'
FIRST = '[endpoints.a]\nbase_url = "http://127.0.0.1:1"\nkey_env = "ONE"\nipm = 60\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "batcher").mkdir()
    (tmp_path / "m.yaml").write_text("endpoint: a\nrequests: [{prompt: a fox}]\n")
    return tmp_path


def governed(folder: Path, profiles: str, **settings: object) -> Governor | Rotation:
    """Make the governor of a run with these profiles and flags."""
    (folder / "batcher" / "config.toml").write_text(profiles)
    options = Options(
        manifests=(str(folder / "m.yaml"),), out=str(folder / "out"), settings=settings
    )
    environment = {"XDG_CONFIG_HOME": str(folder), **KEYS}
    job = Job(options, environment)
    endpoints = (require_endpoint(job), *job.fallbacks)
    return make_governor(
        tuple(Way(endpoint=e, keys=e.keys(environment)) for e in endpoints),
        msgspec.convert(job.settings, Limits, from_attributes=True),
        budget=Budget(spent=Decimal(1)),
        now=0.0,
        random=lambda: 0.0,
    )


def left(governor: Governor | Rotation) -> dict[str, int]:
    """Count what leaves within a minute at `adaptive: false`, by route."""
    count: dict[str, int] = {}
    for tenth in range(600):
        answer = governor.ask(tenth / 10, images=1, usd=None)
        if isinstance(answer, Admission):
            count[answer.route] = count.get(answer.route, 0) + 1
    return count


FREE = {"adaptive": False, "concurrency": 1000}


def test_one_endpoint_with_one_key_has_one_governor(folder: Path) -> None:
    one = governed(folder, FIRST, **FREE)
    assert isinstance(one, Governor)
    assert one.limits.ipm == 60
    assert one.budget.spent == 1


def test_a_flag_beats_the_pace_of_an_endpoint_that_is_alone(folder: Path) -> None:
    keys = FIRST.replace('"ONE"', '["ONE", "THREE"]')
    count = left(governed(folder, keys, ipm=120, **FREE))
    assert set(count) == {"a:ONE", "a:THREE"}
    assert 120 <= sum(count.values()) <= 121


@pytest.mark.parametrize(
    ("flags", "total"),
    [({}, 65), ({"ipm": 62}, 62), ({"ipm": 30}, 30), ({"ipm": 100}, 65)],
    ids=str,
)
def test_each_endpoint_keeps_to_its_own_pace_and_all_to_the_users(
    folder: Path, flags: dict[str, float], total: int
) -> None:
    first = FIRST + 'fallback = "b"\n'
    both = governed(folder, first + SECOND, **flags, **FREE)
    assert both.limits.ipm == flags.get("ipm")
    count = left(both)
    assert sum(count.values()) == pytest.approx(total, abs=2)
    assert count.get("a", 0) <= 61
    assert count.get("b", 0) <= 6
