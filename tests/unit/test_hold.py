"""Taking a run directory and giving it back; nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from batcher.cli.folder import check_idle
from batcher.errors import UsageError
from batcher.fleet import (
    Crew,
    DriverSign,
    Lease,
    Note,
    Order,
    Quota,
    Word,
    crew_of,
    send,
)
from batcher.hold import hold
from batcher.hold.shared import Shared
from batcher.job import Job
from batcher.ledger import FILE_NAME
from batcher.ledger.event import now
from batcher.models import ErrorClass, Failure
from batcher.options import Options
from batcher.remote import Command
from batcher.stores import LocalDirectory

TTL = 6.0  # a busy machine stands still for a second or two
ALONE = Crew(shards=("0001-of-0002",), word=Word())


class Stage:
    """A run that notes what others do to it."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.quotas: list[Quota] = []
        self.failures: list[Failure] = []
        self._changed = asyncio.Event()

    def handle(self, command: Command) -> Mapping[str, object]:
        self.commands.append(command.name)
        self._changed.set()
        if command.name == "status":
            raise UsageError("not for a fleet")
        return {}

    def limit(self, quota: Quota) -> None:
        self.quotas.append(quota)
        self._changed.set()

    def stop(self, failure: Failure) -> None:
        self.failures.append(failure)
        self._changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for the fleet to say something."""
        async with asyncio.timeout(20):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


class Scene:
    """A manifest, and a folder to run it in."""

    def __init__(self, folder: Path) -> None:
        self._manifest = folder / "m.yaml"
        prompts = "matrix: {i: {range: [1, 8]}}"
        request = "name: 'a {{ i }}', prompt: 'a {{ i }}', size: 64x64"
        self._manifest.write_text(f"requests:\n  - {{{request}, {prompts}}}\n")
        self.out = folder / "out"
        self.directory = LocalDirectory(self.out)

    def job(
        self, shard: str | None = None, *, is_patient: bool = False, **settings: object
    ) -> Job:
        """Plan a run."""
        options = Options(
            manifests=(str(self._manifest),),
            out=str(self.out),
            endpoint="sandbox",
            shard=shard,
            wait_for_shard=is_patient,
            settings={"lease": TTL, **settings},
        )
        return Job(options, {"XDG_CONFIG_HOME": str(self._manifest.parent)})

    def configure(self, text: str) -> None:
        """Write the user's configuration."""
        folder = self._manifest.parent / "batcher"
        folder.mkdir()
        (folder / "config.toml").write_text(text)

    def lease(self, part: int, parts: int) -> Lease:
        """Take a shard, as another worker does."""
        lease = Lease(self.directory, (part, parts), ttl=TTL)
        lease.acquire()
        return lease


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_a_folder_is_one_runs_alone(scene: Scene) -> None:
    async with hold(scene.job()) as held:
        assert held.is_ours()
        with pytest.raises(UsageError, match="another run is writing"):
            async with hold(scene.job()):
                pass
    async with hold(scene.job()) as again:
        assert again.is_ours()


async def test_a_run_of_the_whole_waits_for_every_shard(scene: Scene) -> None:
    other = scene.lease(2, 2)
    with pytest.raises(UsageError, match="shard 0002-of-0002 of it is being worked on"):
        async with hold(scene.job()):
            pass
    other.release(Note())
    async with hold(scene.job()) as held:
        assert held.is_ours()


async def test_a_driver_between_two_shards_is_not_disturbed(scene: Scene) -> None:
    sign = DriverSign(scene.directory)
    sign.visit()
    with pytest.raises(UsageError, match="shard after shard of it"):
        async with hold(scene.job()):
            pass
    with pytest.raises(UsageError, match="a fleet's driver"):
        check_idle(scene.directory)
    sign.leave()
    check_idle(scene.directory)


async def test_a_shard_is_held_within_and_given_back_after(scene: Scene) -> None:
    async with hold(scene.job("1/2")) as held:
        assert held.is_ours()
        assert crew_of(scene.directory, ttl=TTL) == ALONE
        with pytest.raises(UsageError, match="is held by process"):
            async with hold(scene.job("1/2")):
                pass
        async with hold(scene.job("2/2")) as other:
            assert other.is_ours()
    assert not held.is_ours()
    assert crew_of(scene.directory, ttl=TTL) is None
    assert (scene.out / FILE_NAME).exists()


async def test_a_shard_keeps_to_its_requests_and_its_part_of_the_pace(
    scene: Scene,
) -> None:
    stage = Stage()
    async with hold(scene.job("1/2", ipm=60)) as held:
        assert 0 < held.job.plan.total < 8
        async with held.attended(stage):
            assert stage.quotas[-1].ipm == 60
            other = scene.lease(2, 2)
            await stage.until(lambda: stage.quotas[-1].ipm == 30)
            held.refused(10.0)
            await stage.until(lambda: (stage.quotas[-1].ipm or 0) < 30)
            other.release(Note())


async def test_the_pace_of_the_first_endpoint_is_the_fleets_beside_others_too(
    scene: Scene,
) -> None:
    scene.configure('[endpoints.sandbox]\nipm = 60\nrpm = 9\nfallback = "openai"\n')
    stage = Stage()
    async with hold(scene.job("1/2")) as held, held.attended(stage):
        assert stage.quotas[-1] == Quota(ipm=60, rpm=9)
    async with hold(scene.job("1/2", ipm=90)) as held, held.attended(stage):
        assert stage.quotas[-1] == Quota(ipm=90, rpm=9)


async def test_a_limit_on_money_is_kept_in_slots(scene: Scene) -> None:
    async with hold(scene.job("1/2", max_spend=1)) as held:
        stage = Stage()
        async with held.attended(stage):
            mine = stage.quotas[-1].max_spend
        assert mine is not None
        assert 0 < mine < 1
    names = [entry.name for entry in scene.directory.entries("purse/")]
    assert [name for name in names if name.endswith("t000001")]
    assert [name for name in names if name.endswith(".free")]


async def test_orders_are_passed_on_and_those_that_make_no_sense_passed_over(
    scene: Scene,
) -> None:
    stage = Stage()
    async with hold(scene.job("1/2")) as held, held.attended(stage):
        for name in ("status", "pause"):
            send(scene.directory, Order(name=name, at=now()))
        await stage.until(lambda: stage.commands == ["status", "pause"])


async def test_who_loses_its_shard_stops_and_says_whose_it_is(scene: Scene) -> None:
    stage = Stage()
    async with hold(scene.job("1/2")) as held, held.attended(stage):
        scene.directory.write("fleet/shard-0001-of-0002-e000009", b"")
        await stage.until(lambda: bool(stage.failures))
        assert not held.is_ours()
    assert stage.failures[0].error_class is ErrorClass.LEASE
    words = "shard 0001-of-0002 is no longer held here: another worker has taken"
    assert stage.failures[0].message.startswith(words)


@pytest.mark.parametrize("is_patient", [True, False])
async def test_a_shard_that_is_lost_before_the_work_began_is_waited_for_or_an_error(
    scene: Scene, *, is_patient: bool
) -> None:
    job = scene.job("1/2", is_patient=is_patient, max_spend=1)
    scene.lease(2, 2)  # which has to learn of the first one, and that takes a while
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        taking = asyncio.create_task(stack.enter_async_context(hold(job)))
        while not [*scene.directory.entries("fleet/shard-0001")]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        scene.directory.write("fleet/shard-0001-of-0002-e000002", b"")
        if not is_patient:
            with pytest.raises(UsageError, match="another worker has taken"):
                await taking
            return
        held = await taking
        assert isinstance(held, Shared)
        assert held.lease.epoch > 1


async def test_who_asks_after_its_lease_has_ended_is_stopped_at_once(
    scene: Scene,
) -> None:
    stage = Stage()
    async with hold(scene.job("1/2")) as held, held.attended(stage):
        assert isinstance(held, Shared)
        held.lease.lose("so it is")
        assert not held.is_ours()
        assert [each.error_class for each in stage.failures] == [ErrorClass.LEASE]
        assert not held.is_ours()
        assert len(stage.failures) == 1


async def test_shards_cannot_count_images_together(scene: Scene) -> None:
    with pytest.raises(UsageError, match="max_images"):
        async with hold(scene.job("1/2", max_images=3)):
            pass


async def test_a_folder_that_cannot_be_made_is_named(scene: Scene) -> None:
    job = scene.job("1/2")
    scene.out.write_text("a file")
    with pytest.raises(UsageError, match="cannot make"):
        async with hold(job):
            pass
