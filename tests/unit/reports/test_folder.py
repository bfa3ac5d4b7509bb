from __future__ import annotations

from pathlib import Path

import pytest

from batcher.errors import StoreError, UsageError
from batcher.reports import write_report
from batcher.reports.wall import base_url
from tests.unit.reports.ledger import (
    attempt_line,
    draw,
    kept,
    rejected,
    run_line,
    write_ledger,
)


def make_run(folder: Path) -> None:
    image = draw(folder, "Tokyo/at dawn.png")
    ended = (kept(1, image), rejected(2))
    write_ledger(folder, (run_line(3), *ended, attempt_line("f" * 20)))


def test_a_report_links_images_and_copies_none(tmp_path: Path) -> None:
    make_run(tmp_path)
    seen: list[int] = []
    report = write_report(tmp_path, on_request=lambda: seen.append(1))
    data = (tmp_path / "report" / "data.js").read_text()
    assert '"src":"../Tokyo/at%20dawn.png"' in data
    assert (report.requests, report.made, len(seen)) == (3, 1, 3)
    assert report.page == tmp_path / "report" / "index.html"
    assert not list((tmp_path / "report").rglob("*.png"))


def test_a_second_report_makes_no_thumbnail_again(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert write_report(tmp_path).made == 1
    assert write_report(tmp_path).made == 0


def test_nothing_unfinished_is_left_in_the_folder(tmp_path: Path) -> None:
    make_run(tmp_path)
    write_report(tmp_path)
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"index.html", "data.js", "page", "thumbs"}
    assert not list((tmp_path / "report").rglob(".*"))


def test_a_report_says_nothing_of_its_makers_folders(tmp_path: Path) -> None:
    make_run(tmp_path)
    write_report(tmp_path)
    data = (tmp_path / "report" / "data.js").read_text()
    assert str(tmp_path) not in data
    assert "somebody" not in data
    assert "example.org" not in data


def test_a_lost_file_is_not_linked(tmp_path: Path) -> None:
    make_run(tmp_path)
    (tmp_path / "Tokyo" / "at dawn.png").unlink()
    write_report(tmp_path)
    data = (tmp_path / "report" / "data.js").read_text()
    assert '"src"' not in data
    assert '"status":"lost"' in data
    assert '"lost":1' in data


def test_a_file_that_has_changed_is_shown_as_lost(tmp_path: Path) -> None:
    make_run(tmp_path)
    with (tmp_path / "Tokyo" / "at dawn.png").open("ab") as stream:
        stream.write(b"more")
    write_report(tmp_path)
    data = (tmp_path / "report" / "data.js").read_text()
    assert '"src"' in data
    assert '"status":"lost"' in data
    assert '"lost":1' in data


@pytest.mark.parametrize("name", ["index.html", "logo.png", ".git"])
def test_somebody_elses_folder_stays_as_it_is(tmp_path: Path, name: str) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / name).write_text("mine")
    with pytest.raises(UsageError, match=f"not a report, it holds '{name}'"):
        write_report(tmp_path / "run", tmp_path / "site")
    assert [*(tmp_path / "site").iterdir()] == [tmp_path / "site" / name]
    assert (tmp_path / "site" / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("out", "words"),
    [(".", "not a report"), ("Tokyo", "into its folder 'report'")],
)
def test_a_report_never_stands_among_the_images(
    tmp_path: Path, out: str, words: str
) -> None:
    make_run(tmp_path)
    with pytest.raises(UsageError, match=words):
        write_report(tmp_path, tmp_path / out)
    assert not [*tmp_path.rglob("*.js")]


def test_a_report_that_was_not_finished_is_written_again(tmp_path: Path) -> None:
    make_run(tmp_path)
    write_report(tmp_path)
    (tmp_path / "report" / "index.html").unlink()
    for name in (".data.js.123", ".index.html.123"):
        (tmp_path / "report" / name).write_text("half")
    write_report(tmp_path)
    assert (tmp_path / "report" / "index.html").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        write_report(tmp_path / "run", tmp_path / "file" / "report")


def test_a_long_run_is_shown_in_the_ledgers_order(tmp_path: Path) -> None:
    results = [rejected(number) for number in range(700)]
    write_ledger(tmp_path, (run_line(700), *results))
    write_report(tmp_path)
    data = (tmp_path / "report" / "data.js").read_text()
    places = [data.index(result.id) for result in results]
    assert places == sorted(places)


def test_a_folder_without_a_ledger_gives_no_report(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("folder", "out", "url"),
    [
        ("runs/a", "runs/a/report", "../"),
        ("runs/a b", "out", "../runs/a%20b/"),
        (".", ".", "./"),
    ],
)
def test_the_way_back_to_the_images(folder: str, out: str, url: str) -> None:
    assert base_url(Path(folder), Path(out)) == url
