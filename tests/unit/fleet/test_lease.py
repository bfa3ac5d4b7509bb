from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from batcher.errors import StoreError, UsageError
from batcher.fleet.crew import Crew, crew_of
from batcher.fleet.driver_sign import Word
from batcher.fleet.lease import TTL, Lease, awake
from batcher.fleet.purse import Note
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

ALONE = Crew(shards=("0001-of-0002",), word=Word())
NOTE = Note(session=1, before=Decimal(3), slots=((4, 1),))


class Scene:
    """A directory, and workers that come to it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.directory = MemoryDirectory(self.clock)

    def lease(self, part: int = 1, parts: int = 2, *, ttl: float = TTL) -> Lease:
        return Lease(self.directory, (part, parts), ttl=ttl, clock=self.clock)

    def acquired(self, part: int = 1, parts: int = 2) -> Lease:
        lease = self.lease(part, parts)
        lease.acquire()
        return lease

    def slow(self, operation: str, seconds: float) -> None:
        """Have one kind of operation take so long before it takes hold."""

        def hook(what: str, do: Callable[[], object]) -> object:
            if what == operation:
                self.clock.now += seconds
            return do()

        self.directory.hook = hook


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    first = awake()
    assert awake() >= first
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert first >= time.monotonic() - 1.0


def test_nobody_holds_what_was_not_acquired(scene: Scene) -> None:
    assert not scene.lease().is_held()


def test_a_free_shard_is_held_at_once(scene: Scene) -> None:
    lease = scene.acquired()
    assert lease.is_held()
    assert lease.epoch == 1
    assert lease.session.is_settled()


def test_a_live_holder_is_named_to_who_comes_too(scene: Scene) -> None:
    scene.acquired()
    scene.clock.now += 45.0
    with pytest.raises(UsageError, match=r"held by process \d+ on .* last seen 45 s"):
        scene.acquired()


def test_who_is_slower_by_a_moment_is_told_so_too(scene: Scene) -> None:
    slower = scene.lease()

    def hook(what: str, do: Callable[[], object]) -> object:
        if what == "create" and len(scene.directory.files) == 0:
            scene.directory.hook = lambda _, do: do()
        elif what == "list":
            scene.directory.hook = lambda _, do: do()
            found = do()
            scene.acquired()
            return found
        return do()

    scene.directory.hook = hook
    scene.directory.files["other"] = (b"", 0.0)
    with pytest.raises(UsageError, match="held by process"):
        slower.acquire()


def test_a_hold_lasts_half_its_time_and_is_then_lost_for_ever(scene: Scene) -> None:
    lease = scene.acquired()
    scene.clock.now += 29.9
    assert lease.is_held()
    scene.clock.now += 0.1
    assert not lease.is_held()
    assert lease.heartbeat(NOTE) is None
    assert lease.lost == "no sign of life for too long"
    assert not lease.is_held()


def test_a_heartbeat_counts_from_its_start(scene: Scene) -> None:
    lease = scene.acquired()
    scene.slow("list", 20.0)
    assert lease.heartbeat(NOTE) is not None
    scene.clock.now += 9.9
    assert lease.is_held()
    scene.clock.now += 0.1
    assert not lease.is_held()


def test_a_heartbeat_that_takes_too_long_does_not_count(scene: Scene) -> None:
    lease = scene.acquired()
    scene.slow("write", 40.0)
    assert lease.heartbeat(NOTE) is None
    assert not lease.is_held()


def test_failed_heartbeats_are_tried_again_while_there_is_time(scene: Scene) -> None:
    lease = scene.acquired()

    def fail(*_: object) -> object:
        raise StoreError("no")

    scene.directory.hook = fail
    scene.clock.now += 20.0
    with pytest.raises(StoreError):
        lease.heartbeat(NOTE)
    assert lease.is_held()
    scene.directory.hook = lambda _, do: do()
    assert lease.heartbeat(NOTE) is not None
    scene.clock.now += 29.0
    assert lease.is_held()


def test_a_dead_ones_shard_is_taken_over_with_its_note(scene: Scene) -> None:
    dead = scene.acquired()
    dead.heartbeat(NOTE)
    scene.clock.now += 60.0
    heir = scene.acquired()
    assert (heir.epoch, heir.inherited) == (2, NOTE)
    assert dead.heartbeat(NOTE) is None
    assert heir.heartbeat(NOTE) is not None


def test_a_shard_that_was_given_back_need_not_be_waited_for(scene: Scene) -> None:
    first = scene.acquired()
    first.release(NOTE)
    assert not first.is_held()
    second = scene.acquired()
    assert (second.epoch, second.inherited) == (2, NOTE)
    assert not any("e000001" in name for name in scene.directory.files)


def test_a_higher_epoch_ends_a_hold_however_it_came(scene: Scene) -> None:
    lease = scene.acquired()
    scene.directory.write("fleet/shard-0001-of-0002-e000009", b"")
    assert lease.heartbeat(NOTE) is None
    assert lease.lost == "another worker has taken the shard over"
    assert not lease.is_held()
    lease.release(NOTE)
    assert "shards/0001-of-0002/epoch-000001.released" not in scene.directory.files


def test_shards_of_different_numbers_are_not_worked_on_at_once(scene: Scene) -> None:
    first = scene.acquired(1, 2)
    with pytest.raises(UsageError, match="shard 0001-of-0002 is being worked on"):
        scene.acquired(1, 3)
    first.release(NOTE)
    assert scene.acquired(1, 3).is_held()


def test_an_impatient_taker_waits_as_long_as_the_holder_was_promised(
    scene: Scene,
) -> None:
    holder = scene.acquired()
    scene.clock.now += 20.0
    impatient = scene.lease(ttl=2.0)
    with pytest.raises(UsageError, match="taken over 60 s after"):
        impatient.acquire()
    assert holder.heartbeat(NOTE) is not None
    scene.clock.now += 60.0
    impatient.acquire()
    assert (impatient.epoch, impatient.is_held()) == (2, True)


@pytest.mark.parametrize("ttl", [2.0, 600.0])
def test_nobody_joins_those_who_go_by_another_lease(scene: Scene, ttl: float) -> None:
    holder = scene.acquired(1, 2)
    scene.clock.now += 20.0
    with pytest.raises(UsageError, match=f"a lease of 60 s, not {ttl:g}"):
        scene.lease(2, 2, ttl=ttl).acquire()
    assert crew_of(scene.directory, ttl=2.0) == ALONE
    holder.release(NOTE)
    scene.lease(2, 2, ttl=ttl).acquire()


def test_who_goes_just_as_it_is_looked_at_is_in_nobodys_way(scene: Scene) -> None:
    holder = scene.lease(1, 2, ttl=30.0)
    holder.acquire()
    beacon = "fleet/shard-0001-of-0002-e000001"

    def hook(what: str, do: Callable[[], object]) -> object:
        if what == "read":
            scene.directory.files.pop(beacon, None)
        return do()

    scene.directory.hook = hook
    other = scene.lease(2, 2, ttl=30.0)
    other.acquire()
    assert other.is_held()


def test_a_directory_that_gives_one_name_to_two_is_refused(scene: Scene) -> None:
    scene.directory.hook = lambda what, do: do() is not None and what == "create"
    with pytest.raises(UsageError, match="gives one name to two"):
        scene.acquired()


@pytest.mark.parametrize(
    ("broken", "answer", "words"),
    [("create", False, "a new name is taken"), ("entry", None, "does not show")],
)
def test_a_directory_that_contradicts_itself_is_refused(
    scene: Scene, broken: str, answer: object, words: str
) -> None:
    scene.directory.hook = lambda what, do: answer if what == broken else do()
    with pytest.raises(UsageError, match=words):
        scene.acquired()


def test_a_directory_that_does_not_list_what_is_there_is_no_ground(
    scene: Scene,
) -> None:
    lease = scene.acquired()
    scene.directory.hook = lambda what, do: [] if what == "list" else do()
    with pytest.raises(StoreError, match="is not listed"):
        lease.heartbeat(NOTE)


def test_a_directory_that_is_too_slow_cannot_be_shared(scene: Scene) -> None:
    scene.slow("write", 31.0)
    lease = scene.lease()
    with pytest.raises(StoreError, match="too slowly"):
        lease.acquire()
    assert not lease.is_held()


def test_strange_files_beside_the_epochs_are_ignored(scene: Scene) -> None:
    scene.directory.write("shards/0001-of-0002/epoch-x", b"")
    scene.directory.write("shards/0001-of-0002/epoch-000001.tmp", b"")
    assert scene.acquired().epoch == 1


def test_a_holder_that_cannot_be_read_is_still_one(scene: Scene) -> None:
    scene.directory.write("shards/0001-of-0002/epoch-000001", b"{")
    with pytest.raises(UsageError, match="'unknown'"):
        scene.acquired()


def test_who_is_not_alone_waits_until_all_have_seen_it(scene: Scene) -> None:
    scene.acquired(1)
    second = scene.acquired(2)
    assert second.is_held()
    assert not second.session.is_settled()
    scene.clock.now += 20.0
    second.heartbeat(NOTE)
    scene.clock.now += 10.0
    assert second.session.is_settled()


def test_a_session_is_kept_by_its_members_and_ends_with_them(scene: Scene) -> None:
    first, second = scene.acquired(1), scene.acquired(2)
    for _ in range(9):
        scene.clock.now += 10.0
        assert first.heartbeat(NOTE)
    assert second.session.number == first.session.number == 1
    scene.clock.now += 10.0
    assert scene.acquired(2).session.number == 1
    first.release(NOTE)
    scene.clock.now += 60.0
    assert scene.acquired(1).session.number == 2
    scene.clock.now += 60.0
    assert scene.acquired(1).session.number == 3
    assert "fleet/session-000001" not in scene.directory.files


def test_who_comes_alone_begins_a_session_at_once(scene: Scene) -> None:
    scene.acquired().release(NOTE)
    scene.directory.write("fleet/control-000005.json", b"{}")
    lease = scene.acquired()
    assert (lease.session.number, lease.session.first_order) == (2, 5)


def test_a_member_of_an_old_session_is_lost_and_a_newcomer_changes_over(
    scene: Scene,
) -> None:
    member, newcomer = scene.acquired(1), scene.acquired(2)
    scene.directory.write("fleet/session-000002", b'{"first_order": 3}')
    assert member.heartbeat(NOTE) is None
    assert member.lost == "the fleet has begun anew without this worker"
    assert newcomer.heartbeat(NOTE) is not None
    assert (newcomer.session.number, newcomer.session.first_order) == (2, 3)
