"""A driver is there between two shards, too, and hears what its shards are told."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from math import inf

import msgspec
import pytest

from batcher.errors import StoreError
from batcher.fleet import DriverSign, Order, Word, crew_of, send
from batcher.fleet.holder import Holder
from batcher.fleet.lease import Lease
from batcher.fleet.roster import DRIVER, PACE
from batcher.fleet.share import Refusal
from tests.unit.fleet.memory import FakeClock, MemoryDirectory

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FAR = Holder(host="elsewhere", machine="another", pid=1)


class Scene:
    """A run directory, and its keeper's clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.directory = MemoryDirectory(self.clock)

    def order(self, name: str, value: int | None = None) -> Order:
        number = None if value is None else Decimal(value)
        order = Order(name=name, value=number, at=NOW)
        send(self.directory, order)
        return order

    def driven_from_afar(self) -> DriverSign:
        """Have a driver of another machine, of which only silence tells."""
        sign = DriverSign(self.directory)
        sign.visit()
        data = msgspec.json.decode(self.directory.read(DRIVER) or b"")
        data["holder"] = msgspec.to_builtins(FAR)
        self.directory.write(DRIVER, msgspec.json.encode(data))
        return sign

    def lease(self, part: int) -> Lease:
        return Lease(self.directory, (part, 4), clock=self.clock, holder=FAR)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nobody_works_where_nobody_ever_did(scene: Scene) -> None:
    assert crew_of(scene.directory) is None
    assert scene.directory.counts["write"] == 0


def test_a_driver_is_at_work_until_it_leaves(scene: Scene) -> None:
    sign = DriverSign(scene.directory)
    assert sign.visit() == Word()
    crew = crew_of(scene.directory)
    assert crew is not None
    assert crew.shards == ()
    sign.leave()
    assert crew_of(scene.directory) is None


def test_a_silent_driver_is_taken_for_dead(scene: Scene) -> None:
    sign = scene.driven_from_afar()
    scene.clock.now += 59
    assert crew_of(scene.directory) is not None
    scene.clock.now += 2
    assert crew_of(scene.directory) is None
    sign.visit()
    assert crew_of(scene.directory) is not None


def test_a_driver_that_died_on_this_machine_is_gone_at_once(scene: Scene) -> None:
    DriverSign(scene.directory).visit()
    data = msgspec.json.decode(scene.directory.read(DRIVER) or b"")
    data["holder"]["pid"] = 1 << 30
    scene.directory.write(DRIVER, msgspec.json.encode(data))
    assert crew_of(scene.directory) is None


def test_a_sign_that_cannot_be_read_is_nobodys(scene: Scene) -> None:
    scene.directory.write(DRIVER, b"{")
    assert crew_of(scene.directory) is None


def test_a_driver_hears_the_orders_since_it_began_each_read_once(scene: Scene) -> None:
    scene.order("stop")
    sign = DriverSign(scene.directory)
    assert (sign.after, sign.visit().orders) == (1, ())
    pause = scene.order("pause")
    assert sign.visit().orders == (pause,)
    resume = scene.order("resume")
    before = scene.directory.counts["read"]
    assert sign.visit().orders == (pause, resume)
    assert scene.directory.counts["read"] == before + 1
    crew = crew_of(scene.directory)
    assert crew is not None
    assert crew.word.orders == (pause, resume)


def test_an_order_that_cannot_be_read_now_is_heard_later(scene: Scene) -> None:
    sign = DriverSign(scene.directory)
    pause = scene.order("pause")

    def refuse(what: str, do: object) -> object:
        if what == "read":
            raise StoreError("away")
        return do()  # type: ignore[operator]  # the directory's own

    hook, scene.directory.hook = scene.directory.hook, refuse
    with pytest.raises(StoreError):
        sign.visit()
    scene.directory.hook = hook
    assert sign.visit().orders == (pause,)


def test_without_a_driver_the_sessions_orders_are_in_force(scene: Scene) -> None:
    scene.order("stop")
    lease = scene.lease(2)
    lease.acquire()
    pause = scene.order("pause")
    crew = crew_of(scene.directory)
    assert crew is not None
    assert crew.shards == ("0002-of-0004",)
    assert crew.word == Word(orders=(pause,))


def test_a_refusal_is_heard_and_forgotten(scene: Scene) -> None:
    sign = DriverSign(scene.directory)
    scene.directory.write(PACE, msgspec.json.encode(Refusal(ipm=8.0)))
    assert sign.visit().cap == 8
    scene.clock.now += 61
    assert sign.visit().cap == 16
    scene.clock.now += 600
    assert sign.visit().cap == inf
    scene.directory.write(PACE, b"{")
    assert sign.visit().cap == inf


def test_a_directory_that_does_not_show_what_was_written_is_an_error(
    scene: Scene,
) -> None:
    sign = DriverSign(scene.directory)
    sign.visit()
    scene.directory.hook = lambda what, do: (
        [] if what == "list" else None if what == "entry" else do()
    )
    with pytest.raises(StoreError, match="is not listed"):
        sign.visit()
    scene.directory.hook = lambda what, do: None if what == "entry" else do()
    with pytest.raises(StoreError, match="is not listed"):
        crew_of(scene.directory)
