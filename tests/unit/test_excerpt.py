"""What is too large to be walked is planned as though it had been, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.errors import ManifestError, UsageError
from batcher.excerpt import MOST_COUNTED
from batcher.job import Job
from batcher.options import Options
from batcher.plan import Plan

THOROUGH = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)
WORDS = """
defaults: {model: gpt-image-2-pro, quality: low}
requests:
  - prompt: "a single one"
    size: 1024x1024
  - prompt: "{{ a }} {{ b }}"
    n: 2
    size: 9:16
    matrix: {a: {range: [1, 10]}, b: {range: [1, 5]}}
    exclude: [{a: 3}]
    include: [{a: 99, b: 1}]
  - prompt: "{{ word }}"
    rows: words.csv
    samples: 3
"""
"""A manifest of 1 + 46 + 6 requests."""

TOTAL = 53


def job(folder: Path, *, most: int, manifest: str = WORDS, **asked: object) -> Job:
    (folder / "words.csv").write_text("word\nfox\nheron\n")
    path = folder / "m.yaml"
    path.write_text(manifest)
    options = {"manifests": (str(path),), "out": str(folder / "out"), **asked}
    return Job(
        Options(**options),  # type: ignore[arg-type]  # as the test gives them
        {"XDG_CONFIG_HOME": str(folder)},
        most_walked=most,
    )


def prompts(planned: Job) -> list[object]:
    return [request.body["prompt"] for request in planned.requests()]


def reject(folder: Path, planned: Job, *, manifest: str = "m.yaml") -> None:
    """Write a ledger in which what a job asks for was rejected, as if it had run."""
    at, manifests = "2026-01-01T00:00:00Z", [{"path": manifest, "sha256": "0"}]
    lines: list[dict[str, object]] = [
        {"event": "run", "at": at, "run": "1", "total": 1, "manifests": manifests}
    ]
    lines += [
        {"event": "result", "id": request.id, "status": "rejected"}
        for request in planned.requests()
    ]
    out = folder / "out"
    out.mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (out / "ledger.jsonl").write_text(text)


@pytest.mark.parametrize("most", [TOTAL, 1000])
def test_what_can_be_walked_is_walked(tmp_path: Path, most: int) -> None:
    walked = job(tmp_path, most=most)
    assert walked.excerpt.is_whole
    assert walked.plan.total == len(prompts(walked)) == TOTAL
    assert not walked.remarks


def test_a_plan_of_too_much_agrees_with_that_of_a_walk(tmp_path: Path) -> None:
    walked, drawn = job(tmp_path, most=TOTAL).plan, job(tmp_path, most=52)
    assert drawn.plan.warnings == {**walked.warnings, "sampled": 1}
    # So few are all drawn, and then nothing of an estimate is left to chance.
    fields = [name for name in Plan.__struct_fields__ if name != "warnings"]
    for name in fields:
        assert getattr(drawn.plan, name) == getattr(walked, name), name
    assert [str(remark).partition(": ")[2][:41] for remark in drawn.remarks] == [
        "53 requests in all, counted; 53 drawn eve"
    ]


def test_what_is_too_much_is_not_walked_for_a_run(tmp_path: Path) -> None:
    words = "53 requests are too many to be checked before one is sent, at most 9"
    with pytest.raises(UsageError, match=words):
        job(tmp_path, most=9).requests()
    with pytest.raises(UsageError, match=words):
        job(tmp_path, most=9, where="a=1")
    with pytest.raises(UsageError, match="26 requests are too many"):
        job(tmp_path, most=9, sample="50%", first=3).requests()


@THOROUGH
@given(first=st.integers(0, TOTAL + 9), most=st.integers(0, TOTAL - 1))
def test_the_first_are_those_of_a_walk(tmp_path: Path, first: int, most: int) -> None:
    walked = job(tmp_path, most=TOTAL, first=first)
    found = job(tmp_path, most=most, first=first)
    if min(first, TOTAL) > most:
        assert found.excerpt.refusal is not None
    else:
        assert prompts(found) == prompts(walked)
        assert found.plan == walked.plan
        assert found.plan.total == min(first, TOTAL)


@THOROUGH
@given(parts=st.integers(2, 9))
def test_shards_are_disjoint_and_complete(tmp_path: Path, parts: int) -> None:
    shards = [
        job(tmp_path, most=40, shard=f"{part}/{parts}") for part in range(1, parts + 1)
    ]
    ids = [request.id for shard in shards for request in shard.requests()]
    whole = [request.id for request in job(tmp_path, most=TOTAL).requests()]
    assert len(ids) == len(set(ids)) == TOTAL
    assert set(ids) == set(whole)


def test_a_shard_stays_the_same_while_the_manifest_grows_at_its_end(
    tmp_path: Path,
) -> None:
    before = prompts(job(tmp_path, most=40, shard="2/3"))
    grown = f'{WORDS}  - prompt: "{{{{ c }}}}"\n    matrix: {{c: {{range: [1, 9]}}}}\n'
    after = prompts(job(tmp_path, most=40, manifest=grown, shard="2/3"))
    assert after[: len(before)] == before
    assert len(after) == len(before) + 3


@THOROUGH
@given(sample=st.integers(0, 40), seed=st.integers(0, 9))
def test_a_sample_is_drawn_by_its_seed_without_replacement(
    tmp_path: Path, sample: int, seed: int
) -> None:
    drawn = job(tmp_path, most=40, sample=str(sample), seed=seed)
    ids = [request.id for request in drawn.requests()]
    assert len(ids) == len(set(ids)) == drawn.plan.total == sample
    again = job(tmp_path, most=40, sample=str(sample), seed=seed)
    assert [request.id for request in again.requests()] == ids


def test_where_looks_at_those_that_were_selected(tmp_path: Path) -> None:
    drawn = job(tmp_path, most=40, first=8, where="b>2")
    assert prompts(drawn) == ["1 3", "1 4", "1 5"]
    none = job(tmp_path, most=40, first=2, where="b>2")
    assert none.plan.total == 0
    assert "selects none of the requests" in str(none.remarks[-1])


def test_nothing_asked_for_is_no_mistake(tmp_path: Path) -> None:
    assert job(tmp_path, most=9, first=0).plan.total == 0


def test_what_the_ledger_has_of_a_sample_is_known_and_nothing_else_is_claimed(
    tmp_path: Path,
) -> None:
    reject(tmp_path, job(tmp_path, most=40, sample="20"))
    again = job(tmp_path, most=40, sample="20").plan
    assert (again.rejected, again.new, again.to_send) == (20, 0, 0)
    other = job(tmp_path, most=40, sample="20", seed=1).plan
    assert 0 < other.rejected < 20
    assert other.rejected + other.new == other.total == 20
    assert (other.orphaned, other.changed) == (0, 0)
    assert not other.needs_consent


def test_the_ledger_of_another_manifest_is_refused_for_a_sample_too(
    tmp_path: Path,
) -> None:
    reject(tmp_path, job(tmp_path, most=40, sample="5"), manifest="other.yaml")
    assert job(tmp_path, most=40, sample="5").plan.rejected == 5
    changed = WORDS.replace("a single one", "another one").replace("{{ a }}", "no")
    changed = changed.replace("{{ word }}", "{{ word }}!")
    with pytest.raises(UsageError, match=r"is the ledger of other\.yaml"):
        job(tmp_path, most=40, manifest=changed, sample="5")


def test_mistakes_among_what_is_looked_at_are_told(tmp_path: Path) -> None:
    wrong = WORDS.replace("size: 9:16", "size: '{{ a }}x{{ b }}'")
    wrong = wrong.replace("{range: [1, 5]}", "[0, 7]")
    with pytest.raises(ManifestError, match="an edge has 1 to"):
        job(tmp_path, most=9, manifest=wrong)
    with pytest.raises(ManifestError, match="is missing"):
        job(tmp_path, most=9, manifest=f"{WORDS}  - size: 1024x1024\n")


def test_a_wrong_manifest_of_too_much_is_not_walked_for_its_mistakes(
    tmp_path: Path,
) -> None:
    axes = ", ".join(f"{name}: {{range: [1, 1000]}}" for name in "abc")
    huge = f"endpont: x\n{WORDS}    matrix: {{{axes}}}\n"
    with pytest.raises(ManifestError, match="did you mean 'endpoint'"):
        job(tmp_path, most=5_000_000, manifest=huge)


def test_names_used_twice_are_told_among_what_is_looked_at(tmp_path: Path) -> None:
    alike = WORDS.replace("rows:", "name: same\n    rows:").replace("samples: 3", "")
    with pytest.raises(ManifestError, match="is also the file of"):
        job(tmp_path, most=9, manifest=alike)


def test_rows_that_repeat_others_are_told_among_what_is_looked_at(
    tmp_path: Path,
) -> None:
    alike = WORDS.replace("{{ word }}", "a word")
    drawn = job(tmp_path, most=40, manifest=alike)
    assert drawn.plan.duplicates == drawn.plan.warnings["duplicate"] == 3
    assert "repeat others" not in str(drawn.remarks[0])
    assert "3 of its requests repeat others" in str(drawn.remarks[1])


def test_more_than_anyone_wants_is_refused(tmp_path: Path) -> None:
    axes = ", ".join(f"{name}: {{range: [1, 1000]}}" for name in "abcde")
    entry = f"  - prompt: x\n    samples: 2\n    matrix: {{{axes}}}\n"
    with pytest.raises(UsageError, match=f"more than {MOST_COUNTED:,} requests"):
        job(tmp_path, most=5_000_000, manifest=f"requests:\n{entry}")
