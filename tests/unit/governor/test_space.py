from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from batcher.governor import Admission, Halt, Hold, Space
from batcher.governor.space import LINES, SECONDS
from batcher.models import ErrorClass

SIZE = "1000x1000"
GUESS = 2 * 1000 * 1000 + LINES


@dataclass
class Disk:
    free: int | None
    looks: int = 0

    def space(self) -> int | None:
        self.looks += 1
        return self.free


def admission(number: int, images: int = 1) -> Admission:
    return Admission(number=number, at=0.0, images=images, usd=None, others=0)


def let_out(space: Space, number: int, size: str | None = SIZE) -> None:
    assert space.check(0.0, size, 1) is None
    space.put_aside(admission(number), size)


def test_where_nobody_knows_what_is_free_everything_fits() -> None:
    space = Space()
    for number in range(1000):
        let_out(space, number)


def test_as_many_leave_as_fit_together() -> None:
    space = Space(Disk(3 * GUESS).space)
    for number in range(3):
        let_out(space, number)
    held = space.check(0.5, SIZE, 1)
    assert isinstance(held, Hold)
    assert held.until == 0.5 + SECONDS


def test_several_images_of_one_request_need_as_much_each() -> None:
    space = Space(Disk(3 * GUESS).space)
    let_out(space, 0)
    assert space.check(0.0, SIZE, 2) is None
    assert isinstance(space.check(0.0, SIZE, 3), Hold)


def test_of_a_size_never_seen_one_leaves_alone_to_see_it() -> None:
    disk = Disk(GUESS // 4)
    space = Space(disk.space)
    let_out(space, 0)
    assert isinstance(space.check(0.0, SIZE, 1), Hold)
    space.saw(SIZE, 2000)
    space.settle(admission(0))
    for number in range(1, 10):
        let_out(space, number)


def test_a_size_that_does_not_fit_any_more_stops_the_run_once_nothing_is_out() -> None:
    disk = Disk(5_000_000)
    space = Space(disk.space, place="runs/fox")
    let_out(space, 0)
    space.saw(SIZE, 2_000_000)
    disk.free = 3_000_000
    assert isinstance(space.check(SECONDS, SIZE, 1), Hold)
    disk.free = 40_000
    space.settle(admission(0))
    halt = space.check(SECONDS, SIZE, 1)
    assert isinstance(halt, Halt)
    assert halt.failure.error_class is ErrorClass.STORE
    assert halt.failure.message == (
        "cannot keep another image in 'runs/fox': No space left: 40 kB free, "
        "3.0 MB needed; what is kept is safe; free some space there and run it again"
    )


def test_without_a_fair_share_of_the_guess_not_even_the_first_one_leaves() -> None:
    halt = Space(Disk(GUESS // 4 - 1).space).check(0.0, SIZE, 1)
    assert isinstance(halt, Halt)
    assert "501 kB free, 2.0 MB needed" in halt.failure.message


def test_the_guess_holds_the_largest_image_of_its_source() -> None:
    assert Space(Disk(1_700_000).space).check(0.0, "1024x1024", 1) is None  # alone
    space = Space(Disk(2 * 1_700_000).space)
    let_out(space, 0, "1024x1024")
    assert isinstance(space.check(0.0, "1024x1024", 1), Hold)


class Kept:
    """The images of earlier runs."""

    def __init__(self, *images: tuple[str | None, int]) -> None:
        self.images = images
        self.walks = 0

    def walk(self) -> tuple[tuple[str | None, int], ...]:
        self.walks += 1
        return self.images


def test_a_size_that_earlier_runs_have_seen_is_not_bought_to_see_it() -> None:
    kept = Kept((SIZE, 38_000), (SIZE, 900_000), (SIZE, 20_000))
    halt = Space(Disk(GUESS // 2).space, kept=kept.walk).check(0.0, SIZE, 1)
    assert isinstance(halt, Halt)
    assert "1.4 MB needed" in halt.failure.message


def test_small_images_of_earlier_runs_let_several_leave_at_once() -> None:
    kept = Kept((SIZE, 2000))
    space = Space(Disk(GUESS // 4).space, kept=kept.walk)
    for number in range(10):
        let_out(space, number)


def test_images_of_another_size_say_nothing_of_this_one() -> None:
    space = Space(Disk(GUESS // 4).space, kept=Kept(("64x64", 1_000_000)).walk)
    let_out(space, 0)
    assert isinstance(space.check(0.0, SIZE, 1), Hold)


def test_earlier_runs_are_asked_once_and_only_when_a_guess_does_not_fit() -> None:
    kept = Kept()
    space = Space(Disk(GUESS).space, kept=kept.walk)
    let_out(space, 0)
    assert kept.walks == 0
    for size in (SIZE, None, SIZE):
        assert isinstance(space.check(0.0, size, 1), Hold)
    assert kept.walks == 1


def test_space_that_somebody_frees_is_seen_at_the_next_look() -> None:
    disk = Disk(GUESS)
    space = Space(disk.space)
    let_out(space, 0)
    assert isinstance(space.check(0.0, SIZE, 1), Hold)
    disk.free = 2 * GUESS
    assert space.check(0.0, SIZE, 1) is None


def test_the_disk_is_looked_at_once_a_second_while_there_is_plenty() -> None:
    disk = Disk(10**12)
    space = Space(disk.space)
    for number in range(100):
        let_out(space, number)
    assert disk.looks == 1
    assert space.check(SECONDS, SIZE, 1) is None
    assert disk.looks == 2


def test_a_disk_that_others_fill_is_noticed_within_a_second() -> None:
    disk = Disk(10**12)
    space = Space(disk.space)
    let_out(space, 0)
    disk.free = 0
    assert isinstance(space.check(SECONDS, SIZE, 1), Hold)


def test_a_size_that_names_no_pixels_is_taken_for_the_usual_one() -> None:
    space = Space(Disk(2 * 1024 * 1024 + LINES).space)
    for size in (None, "auto"):
        let_out(space, 0, size)
        assert isinstance(space.check(0.0, size, 1), Hold)
        space.settle(admission(0))


@given(
    free=st.integers(0, 10**8),
    sizes=st.lists(st.sampled_from([None, "64x64", SIZE, "3840x2160"]), max_size=30),
    seen=st.integers(1, 10**7),
)
def test_what_is_in_flight_together_fits_once_its_sizes_are_known(
    free: int, sizes: list[str | None], seen: int
) -> None:
    space = Space(Disk(free).space)
    for size in sizes:
        space.saw(size, seen)
    out = 0
    for number, size in enumerate(sizes):
        if space.check(0.0, size, 1) is None:
            space.put_aside(admission(number), size)
            out += 1
    assert out * (seen + seen // 2 + LINES) <= free or not out
