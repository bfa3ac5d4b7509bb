from __future__ import annotations

from batcher.governor.ceiling import Ceiling


def proven(least: int = 4) -> Ceiling:
    ceiling = Ceiling(lambda: 0.5)
    for at in (1.0, 2.0, 4.0):
        ceiling.left(at, least)
        ceiling.refused(at, least)
        ceiling.left(at, least - 1)
    ceiling.left(8.0, least)
    assert ceiling.limit == least
    return ceiling


def test_it_knows_nothing_at_first() -> None:
    ceiling = Ceiling(lambda: 0.5)
    ceiling.left(0.0, 100)
    ceiling.let_in(100)
    assert ceiling.limit is None
    assert ceiling.wait(0.0, 100) == 0.0


def test_it_is_believed_after_refusals_that_only_an_end_resolved() -> None:
    assert proven().limit == 4


def test_refusals_alone_do_not_prove_it() -> None:
    ceiling = Ceiling(lambda: 0.5)
    assert not any(ceiling.refused(float(at), 4) for at in range(9))
    assert ceiling.limit is None


def test_it_explains_a_refusal_at_the_limit_and_none_below() -> None:
    ceiling = proven()
    assert ceiling.refused(10.0, 5)
    assert ceiling.refused(11.0, 4)
    assert not ceiling.refused(12.0, 3)
    assert ceiling.limit == 4


def test_one_more_waits_only_at_the_limit() -> None:
    ceiling = proven()
    assert ceiling.wait(8.0, 3) == 0.0
    assert ceiling.wait(8.0, 4) == 60.0


def test_probes_above_the_limit_become_rarer() -> None:
    ceiling = proven()
    waits = []
    for _ in range(5):
        ceiling.refused(0.0, 4)
        waits.append(ceiling.wait(0.0, 4))
    assert waits == [120.0, 240.0, 480.0, 600.0, 600.0]


def test_only_one_probe_leaves_at_a_time() -> None:
    ceiling = proven()
    assert ceiling.wait(68.0, 4) == 0.0
    ceiling.left(68.0, 4)
    assert ceiling.wait(68.0, 5) == 60.0


def test_one_let_in_at_the_limit_ends_it() -> None:
    ceiling = proven()
    ceiling.let_in(3)
    assert ceiling.limit == 4
    ceiling.let_in(4)
    assert ceiling.limit is None


def test_a_refusal_with_nothing_else_in_flight_ends_it() -> None:
    ceiling = proven()
    assert not ceiling.refused(9.0, 0)
    assert ceiling.limit is None


def test_a_refusal_below_a_mere_suspicion_starts_it_anew() -> None:
    ceiling = Ceiling(lambda: 0.5)
    ceiling.refused(0.0, 7)
    ceiling.refused(1.0, 7)
    ceiling.refused(2.0, 3)
    assert (ceiling.least, ceiling.refusals) == (3, 1)
