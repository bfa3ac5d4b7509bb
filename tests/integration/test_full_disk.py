"""Disks that are small, fill up, or are filled by others while images are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batcher.errors import StoreError
from batcher.ledger import LedgerWriter, Standings, read_ledger
from batcher.ledger.event import Attempt, now
from batcher.models import Summary
from batcher.sandbox import Sandbox, SandboxOptions
from batcher.stores import PARTIAL_FOLDER, Draft, LocalStore
from tests.integration.small_disk import enlarge, fill, small_disk
from tests.integration.store_conformance import ID, begun, png
from tests.integration.test_local_store import DOCUMENT
from tests.integration.test_runner import KEY, Project
from tests.integration.test_worker import check_books, full_at

MANIFEST = """
defaults: {{size: 1024x1024, response_format: {reply}}}
requests:
  - {{name: "f{{{{ sample }}}}", prompt: "a fox", samples: {samples}}}
"""


def leave_free(folder: Path, kilobytes: int) -> None:
    """Fill a disk up to a few kilobytes."""
    filler = fill(folder)
    with filler.open("rb+") as stream:
        stream.truncate(filler.stat().st_size - (kilobytes << 10))


def append(writer: LedgerWriter, lines: int) -> None:
    for _ in range(lines):
        writer.append(Attempt(at=now(), id="a", attempt=1))


def check_stop(summary: Summary, out: Path) -> None:
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert summary.stopped["class"] == "store"
    message = summary.stopped["message"]
    assert f"{str(out)!r}: No space left" in message
    assert "free some space there and run it again" in message
    assert PARTIAL_FOLDER not in message


@pytest.fixture
async def gateway() -> AsyncIterator[Sandbox]:
    options = SandboxOptions(key=KEY, latency=(0.01, 0.1))
    async with Sandbox(options) as sandbox:
        yield sandbox


@pytest.fixture
def project(tmp_path: Path, gateway: Sandbox) -> Project:
    return Project(tmp_path, gateway.base_url)


@pytest.mark.parametrize("reply", ["b64_json", "url"])
@pytest.mark.parametrize("kilobytes", [640, 1024])
async def test_a_disk_too_small_for_all_costs_no_image(
    project: Project, gateway: Sandbox, reply: str, kilobytes: int
) -> None:
    project.write(MANIFEST.format(reply=reply, samples=40))
    with small_disk(project.out, kilobytes):
        summary = await project.run(concurrency=8)
        check_stop(summary, project.out)
        assert 0 < summary.succeeded < 40
        assert summary.unknown == 0
        assert summary.attempts == summary.succeeded
        enlarge(project.out)
        again = await project.run(concurrency=8)
        assert (again.succeeded, again.exit_code) == (40, 0)
        assert gateway.journal.posts == 40
        check_books(project.out)


async def test_a_resume_on_a_nearly_full_disk_buys_nothing_that_it_cannot_keep(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANIFEST.format(reply="b64_json", samples=12))
    with small_disk(project.out, 4096):
        first = await project.run(concurrency=1, first=3)
        assert (first.succeeded, gateway.journal.posts) == (3, 3)
        leave_free(project.out, 32)
        for _ in range(3):
            summary = await project.run(concurrency=8)
            check_stop(summary, project.out)
        assert gateway.journal.posts == 3


async def test_a_disk_without_room_for_a_first_image_costs_none(
    project: Project, gateway: Sandbox
) -> None:
    project.write(MANIFEST.format(reply="b64_json", samples=12))
    with small_disk(project.out, 128):
        check_stop(await project.run(concurrency=8), project.out)
        assert gateway.journal.posts == 0


async def test_a_run_that_fits_a_small_disk_is_finished(project: Project) -> None:
    project.write(MANIFEST.format(reply="b64_json", samples=12))
    with small_disk(project.out, 1024):
        summary = await project.run(concurrency=8)
        assert (summary.succeeded, summary.exit_code) == (12, 0)


@pytest.mark.parametrize("reply", ["b64_json", "url"])
async def test_a_disk_that_others_fill_costs_no_more_than_what_was_in_flight(
    project: Project, gateway: Sandbox, reply: str
) -> None:
    project.write(MANIFEST.format(reply=reply, samples=12))

    def fill_at_the_third() -> None:
        if project.watcher.ends == 3:
            fill(project.out)

    project.watcher.at_end = fill_at_the_third
    with small_disk(project.out, 4096):
        summary = await project.run(concurrency=4)
        check_stop(summary, project.out)
        assert 0 < summary.unknown <= 4
        assert summary.unknown + summary.succeeded == summary.attempts
        check_books(project.out)
        assert len(project.events("end")) == 1
        assert len(project.events("reply")) == summary.attempts * (reply == "url")
        enlarge(project.out)
        again = await project.run(concurrency=4)
        assert (again.succeeded, again.exit_code) == (12, 0)
        # What is at a URL is not lost: the ledger had room to say where it is.
        assert gateway.journal.posts == 12 + summary.unknown * (reply != "url")


def test_a_ledger_has_room_for_its_last_lines(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 4096):
        writer = LedgerWriter(disk, Standings())
        filler = fill(disk)
        append(writer, 100)
        fill(disk)
        with pytest.raises(StoreError, match="No space left"):
            append(writer, 100)
        written = writer.standings.attempts
        assert 100 <= written < 200
        reading = read_ledger(disk)
        assert (reading.standings.attempts, reading.damaged) == (written, ())
        filler.unlink()
        append(writer, 1)
        writer.close()
        assert read_ledger(disk).standings.attempts == written + 1


def test_an_error_that_room_does_not_help_leaves_the_room_for_the_last_lines(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 4096):
        writer = LedgerWriter(disk, Standings())
        with full_at(0), pytest.raises(StoreError, match="File too large"):
            append(writer, 1)
        fill(disk)
        append(writer, 100)
        writer.close()
        assert read_ledger(disk).standings.attempts == 100


async def test_an_image_that_cannot_be_whole_makes_room_for_others(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 4096):
        store = LocalStore(disk)
        before = store.space()
        assert before is not None
        images = [await store.begin(ID, 1, number) for number in range(2)]
        content = png(filler=2_500_000)
        await asyncio.gather(*(image.write(content[:1_500_000]) for image in images))
        refused, whole = images
        with pytest.raises(StoreError, match=f"in '{disk}': No space left"):
            await refused.write(bytes(4_000_000))
        with pytest.raises(StoreError, match="No space left"):
            await refused.finish()
        await whole.write(content[1_500_000:])
        assert isinstance(await whole.finish(), Draft)
        assert await whole.keep("fox") == "fox.png"
        assert [*await store.recover(ID, 1)] == [1]
        store.close()


async def test_an_image_that_finds_no_room_to_be_told_whence_it_came_stays_whole(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 2048):
        store = LocalStore(disk)
        partial = await begun(store, png(filler=600_000))
        await partial.finish()
        filler = fill(disk)
        with pytest.raises(StoreError, match=f"in '{disk}': No space left"):
            await partial.embed(DOCUMENT)
        assert len([*(disk / PARTIAL_FOLDER).iterdir()]) == 1
        filler.unlink()
        (found,) = (await LocalStore(disk).recover(ID, 1)).values()
        assert isinstance(await found.embed(DOCUMENT), Draft)
        store.close()


def test_a_folder_that_is_not_there_has_no_room_to_tell_of(tmp_path: Path) -> None:
    assert LocalStore(tmp_path / "gone").space() is None
