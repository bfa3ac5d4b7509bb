from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batcher.sandbox.draw import Picture
from batcher.sandbox.link import Link, read_name, write_name

LINKS = st.builds(
    Link,
    picture=st.builds(
        Picture,
        theme=st.binary(min_size=8, max_size=8),
        variant=st.binary(min_size=8, max_size=8),
        width=st.integers(1, 3840),
        height=st.integers(1, 3840),
    ),
    fault=st.integers(0, 200),
    ends=st.integers(0, 2**53),
)


@given(link=LINKS)
def test_a_name_gives_back_what_it_was_made_of(link: Link) -> None:
    assert read_name(write_name(link, b"secret"), b"secret") == link


@given(link=LINKS, place=st.integers(0, 50))
def test_a_changed_name_is_unknown(link: Link, place: int) -> None:
    name = write_name(link, b"secret")
    other = "A" if name[place] != "A" else "B"
    changed = name[:place] + other + name[place + 1 :]
    assert read_name(changed, b"secret") is None
    assert read_name(name, b"another") is None


@given(st.text(max_size=30))
def test_a_guessed_name_is_unknown(name: str) -> None:
    assert read_name(name, b"secret") is None
