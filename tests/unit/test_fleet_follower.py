"""A driver is told of what is new in the ledger, once, and of nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batcher.errors import StoreError
from batcher.fleet import DriverSign, Order, crew_of, send
from batcher.fleet_follower import FleetFollower
from batcher.fleet_view import everything
from batcher.job import Job
from batcher.ledger import FILE_NAME, State
from batcher.ledger.event import Event, encode, now
from tests.unit.test_driver import job
from tests.unit.test_fleet_view import Heard, attempt, result, retry


class Scene:
    """A run directory that somebody writes to, and its driver's follower."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "out" / FILE_NAME
        self.heard = Heard()
        self._folder = folder

    def wrote(self, *events: Event) -> None:
        self.ledger.parent.mkdir(exist_ok=True)
        with self.ledger.open("ab") as stream:
            stream.writelines(map(encode, events))

    def kept(self, number: int) -> Event:
        """Make the line of a request of the manifest that is kept."""
        (self.ledger.parent / "fox.png").write_bytes(b"x" * 9)
        return result(self.ids[number])

    def planned(self, **options: object) -> FleetFollower:
        """Plan a run by what the ledger says now."""
        self.job: Job = job(self._folder, **options)
        self.ids = [each.id for each in job(self._folder).requests()]
        self.sign = DriverSign(self.job.directory)
        return FleetFollower(self.job, self.sign, self.heard)

    def order(self, name: str) -> None:
        send(self.job.directory, Order(name=name, at=now()))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def looked(follower: FleetFollower) -> dict[State, int]:
    """Look once, and give where the requests stand."""
    ended = asyncio.Event()
    ended.set()
    await follower.follow(ended, everything)
    return {state: n for state, n in follower.view.count.states.items() if n}


async def test_what_was_there_before_is_counted_and_not_told(scene: Scene) -> None:
    scene.planned()
    scene.ledger.parent.mkdir()
    scene.wrote(scene.kept(0))
    follower = scene.planned()
    scene.wrote(scene.kept(1), attempt(scene.ids[2]))
    async with follower:
        assert await looked(follower) == {State.SUCCEEDED: 2, State.UNKNOWN: 1}
        assert scene.heard.words == []
        scene.wrote(retry(scene.ids[2]), attempt(scene.ids[2], 2), scene.kept(2))
        assert await looked(follower) == {State.SUCCEEDED: 3}
        assert await looked(follower) == {State.SUCCEEDED: 3}
    assert [words.split()[-1] for words in scene.heard.words] == ["2", "2", "succeeded"]


async def test_only_what_was_asked_for_is_counted(scene: Scene) -> None:
    scene.planned()
    scene.ledger.parent.mkdir()
    scene.wrote(scene.kept(0))
    async with scene.planned(where="status=new") as follower:
        assert await looked(follower) == {}
        scene.wrote(attempt(scene.ids[1]), scene.kept(1))
        assert await looked(follower) == {State.SUCCEEDED: 1}


async def test_an_image_that_is_gone_is_not_counted_as_kept(scene: Scene) -> None:
    scene.planned()
    scene.ledger.parent.mkdir()
    scene.wrote(scene.kept(0))
    (scene.ledger.parent / "fox.png").unlink()
    async with scene.planned() as follower:
        assert await looked(follower) == {State.LOST: 1}
        scene.wrote(attempt(scene.ids[0], 2), scene.kept(0))
        assert await looked(follower) == {State.SUCCEEDED: 1}


async def test_a_ledger_that_cannot_be_read_at_first_is_read_later(
    scene: Scene,
) -> None:
    follower = scene.planned()
    scene.ledger.mkdir(parents=True)
    async with follower:
        assert await looked(follower) == {}
        scene.ledger.rmdir()
        scene.wrote(scene.kept(0))
        assert await looked(follower) == {State.SUCCEEDED: 1}
        assert scene.heard.words == []
        scene.wrote(scene.kept(1))
        assert await looked(follower) == {State.SUCCEEDED: 2}
    assert len(scene.heard.words) == 1


async def test_a_ledger_that_was_rewritten_is_read_anew(scene: Scene) -> None:
    follower = scene.planned()
    scene.ledger.parent.mkdir()
    scene.wrote(scene.kept(0), scene.kept(1))
    async with follower:
        assert await looked(follower) == {State.SUCCEEDED: 2}
        new = scene.ledger.with_name("new")
        new.write_bytes(encode(scene.kept(2)))
        new.replace(scene.ledger)
        assert await looked(follower) == {State.SUCCEEDED: 1}
        assert scene.heard.words == []


async def test_what_a_lost_worker_left_open_is_not_in_flight(scene: Scene) -> None:
    ended = asyncio.Event()

    def is_over(id_: str, _: float) -> bool:
        left.append(follower.view.snapshot().in_flight)
        ended.set()
        return id_ == scene.ids[0]

    left: list[int] = []
    follower = scene.planned()
    async with follower, asyncio.timeout(20):
        scene.wrote(attempt(scene.ids[0]), attempt(scene.ids[1]))
        await follower.follow(ended, is_over)
        assert left == [2, 1]
        scene.wrote(attempt(scene.ids[2]))
        assert await looked(follower) == {State.UNKNOWN: 3}
        assert follower.view.snapshot().in_flight == 0


async def test_a_driver_shows_that_it_lives_and_stops_when_told(scene: Scene) -> None:
    stopped = asyncio.Event()
    ended = asyncio.Event()
    async with scene.planned() as follower, asyncio.timeout(20):
        assert crew_of(scene.job.directory) is not None
        scene.order("pause")
        scene.order("stop")
        async with asyncio.TaskGroup() as group:
            group.create_task(follower.follow(ended, everything))
            group.create_task(follower.hear(ended, stopped.set))
            await stopped.wait()
            ended.set()
        assert follower.is_stopped
        assert follower.view.snapshot().paused == "by hand"
    assert crew_of(scene.job.directory) is None


async def test_a_directory_that_cannot_be_written_stops_the_run_before_it_begins(
    scene: Scene,
) -> None:
    follower = scene.planned()
    scene.ledger.parent.write_bytes(b"")
    with pytest.raises(StoreError):
        await follower.__aenter__()
