from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.cli import main
from batcher.driver import summed
from batcher.errors import UsageError
from batcher.fleet_view import FleetView
from batcher.job import Job
from batcher.ledger import FILE_NAME
from batcher.ledger.event import encode
from batcher.options import Options
from batcher.shard_command import shard_arguments
from tests.unit.test_fleet_view import attempt, result

MANIFEST = (
    "requests:\n  - {prompt: 'a {{ what }}', matrix: {what: [fox, hare, newt]}}\n"
)


def job(folder: Path, **options: object) -> Job:
    path = folder / "m.yaml"
    path.write_text(MANIFEST)
    options = {"endpoint": "sandbox", "out": str(folder / "out")} | options
    return Job(Options(manifests=(str(path),), engine="dask", **options), {})  # type: ignore[arg-type]  # given by name


def test_a_shard_is_asked_for_just_what_the_user_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = job(
        tmp_path,
        settings={"max_attempts": 3, "on_unknown": "skip"},
        fields={"quality": "high", "extra.seed": 7},
        where="what!=newt",
        retry=("rejected", "failed"),
        accept_changes=True,
    )
    arguments = shard_arguments(asked)
    assert arguments[0] == "run"
    assert main(["plan", *arguments[1:], "--requests"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == [each.id for each in asked.requests()]
    assert {line["request"]["quality"] for line in lines} == {"high"}


def test_a_shard_finds_its_files_wherever_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST)
    options = Options(manifests=("m.yaml",), endpoint="sandbox", engine="ray")
    arguments = shard_arguments(Job(options, {}))
    assert str(tmp_path / "m.yaml") in arguments
    assert f"--out={tmp_path / 'runs' / 'm'}" in arguments


@pytest.mark.parametrize(
    "options",
    [{"first": 2}, {"sample": "2"}, {"shard": "1/2"}],
    ids=["first", "sample", "shard"],
)
def test_what_counts_within_a_shard_is_refused(
    options: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="count within a shard"):
        shard_arguments(job(tmp_path, **options))


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [(None, "store"), ({"class": "quota", "message": "empty"}, "quota")],
    ids=["ended", "stopped"],
)
def test_a_ledger_that_cannot_be_read_at_the_end_is_summed_as_it_was_seen(
    stopped: dict[str, str] | None, reason: str, tmp_path: Path
) -> None:
    asked = job(tmp_path)
    view = FleetView()
    fox, *_ = (each.id for each in asked.requests())
    for event in (attempt(fox), result(fox)):
        view.take(encode(event))
    (tmp_path / "out" / FILE_NAME).mkdir(parents=True)
    summary = summed(asked, view, seconds=2.0, stopped=stopped)
    assert (summary.total, summary.succeeded, summary.pending) == (3, 1, 2)
    assert summary.spent_usd == summary.paid_usd == Decimal("0.4")
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert summary.stopped["class"] == reason


def test_what_the_run_directory_holds_counts_more_than_what_was_seen(
    tmp_path: Path,
) -> None:
    asked = job(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fox.png").write_bytes(b"x" * 9)
    lines = (encode(result(each.id)) for each in asked.requests())
    (tmp_path / "out" / FILE_NAME).write_bytes(b"".join(lines))
    summary = summed(asked, FleetView(), seconds=2.0, stopped=None)
    assert (summary.succeeded, summary.exit_code, summary.stopped) == (3, 0, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "dask", "workers": 0}, "--workers"),
        ({"engine": "dask", "shards": -1}, "--shards"),
        ({"engine": "local", "shards": 3}, "go with --engine"),
        ({"engine": "spark"}, "expected one of local, processes, dask, ray"),
    ],
    ids=["workers", "shards", "local", "unknown"],
)
def test_a_wrong_engine_option_is_named(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MANIFEST)
    with pytest.raises(UsageError, match=words):
        Job(Options(manifests=(str(path),), **options), {})  # type: ignore[arg-type]  # given by name
