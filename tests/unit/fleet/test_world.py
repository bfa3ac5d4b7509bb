"""What must never be, whatever the network, the keeper and the machines do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fleet.world import Worker, World


def populate(world: World, *, parts: int, workers: int) -> None:
    for number in range(workers):
        shard = (1 + number % parts, parts)
        seconds = world.random.uniform(50.0, 500.0)
        crashes = world.random.random() < 0.5
        worker = Worker(world, shard, seconds=seconds, crashes=crashes)
        world.start(worker, after=world.random.choice((0.0, 1.0, number * 40.0)))


@given(
    seed=st.integers(0, 10**9),
    trouble=st.sampled_from([0.0, 0.02, 0.1]),
    parts=st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_one_holder_one_purse_one_pace_whatever_happens(
    seed: int, trouble: float, parts: int
) -> None:
    world = World(seed, trouble=trouble)
    populate(world, parts=parts, workers=12)
    world.run(1500.0)


@pytest.mark.parametrize("parts", [1, 3])
def test_without_trouble_everybody_who_finds_a_shard_free_sends(parts: int) -> None:
    world = World(1, trouble=0.0)
    for part in range(parts):
        worker = Worker(world, (part + 1, parts), seconds=300.0, crashes=False)
        world.start(worker, after=0.0)
    world.run(400.0)
    assert all(worker.sent_at for worker in world.workers)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_after_a_clean_end_less_than_a_slot_is_left_to_each_shard(parts: int) -> None:
    world = World(parts, trouble=0.0)
    for part in range(parts):
        worker = Worker(world, (part + 1, parts), seconds=400.0, crashes=False)
        world.start(worker, after=0.0)
    world.run(600.0)
    names = [name for name in world.directory.files if name.startswith("purse/")]
    freed = sum(name.endswith(".free") for name in names)
    taken = sum("/slot-" in name for name in names) - 2 * freed
    terms = world.workers[0].round.purse
    assert terms is not None
    assert terms.terms is not None
    slot, spent = terms.terms.slot, sum(world.ledger.values())
    assert 0 < spent <= taken * slot < spent + parts * slot
