from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batcher.images import Defect, Format
from batcher.stores import Draft
from batcher.stores.gauge import Gauge

GIF = b"GIF89a\x02\x00\x01\x00\x00\x00\x00,\0\0\0\0\2\0\1\0\0\2\2\x44\1\0;"


@given(st.lists(st.integers(0, len(GIF)), max_size=5))
def test_an_image_measures_the_same_however_it_is_cut(cuts: list[int]) -> None:
    gauge = Gauge()
    bounds = [0, *sorted(cuts), len(GIF)]
    for start, end in pairwise(bounds):
        gauge.feed(memoryview(GIF)[start:end])
    draft = gauge.finish()
    assert isinstance(draft, Draft)
    assert draft.properties.format is Format.GIF
    assert draft.bytes == gauge.bytes == len(GIF)
    assert draft.sha256 == hashlib.sha256(GIF).hexdigest()


def test_what_is_no_image_is_a_defect() -> None:
    gauge = Gauge()
    gauge.feed(b"<html>")
    assert isinstance(gauge.finish(), Defect)
    assert gauge.bytes == 6
