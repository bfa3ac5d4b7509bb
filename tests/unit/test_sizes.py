from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher import sizes

DOCUMENTED = {
    "1:1": "1024x1024",
    "4:3": "1536x1152",
    "3:2": "1536x1024",
    "2:3": "1024x1536",
    "16:9": "1920x1080",
    "9:16": "1080x1920",
    "1:1(2K)": "2048x2048",
    "4:3(2K)": "2048x1536",
    "3:2(2K)": "2560x1712",
    "2:3(2K)": "1712x2560",
    "16:9(2K)": "2048x1152",
    "9:16(2K)": "1152x2048",
    "1:1(4K)": "2880x2880",
    "4:3(4K)": "3840x2880",
    "3:2(4K)": "3840x2560",
    "2:3(4K)": "2560x3840",
    "16:9(4K)": "3840x2160",
    "9:16(4K)": "2160x3840",
}


@pytest.mark.parametrize(("label", "pixels"), DOCUMENTED.items())
def test_every_documented_label_becomes_its_pixels(label: str, pixels: str) -> None:
    assert sizes.resolve(label) == pixels


def test_the_labels_offered_are_the_documented_ones() -> None:
    assert dict(sizes.LABELS) == DOCUMENTED


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("16:9 (4k)", "3840x2160"),
        (" 1:1( 2K )", "2048x2048"),
        ("\uff11\uff16\uff1a\uff19\uff08\uff14\uff2b\uff09", "3840x2160"),
        ("16\uff1a9\uff084K\uff09", "3840x2160"),
        ("16:09", "1920x1080"),
        ("AUTO", "auto"),
        (" auto\n", "auto"),
        ("1024\u00d71536", "1024x1536"),
        ("1024 X 1536", "1024x1536"),
        ("1024*1536", "1024x1536"),
        ("01024x001536", "1024x1536"),
        ("1000x1000", "1000x1000"),
        ("16384x1", "16384x1"),
    ],
)
def test_a_users_way_of_writing_is_forgiven(written: str, sent: str) -> None:
    assert sizes.resolve(written) == sent


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("3:4", "nearest: 2:3, 2:3(2K), 2:3(4K); write pixels"),
        ("21:9(2K)", "nearest: 16:9, 16:9(2K), 16:9(4K);"),
        ("9:21", "nearest: 9:16, 9:16(2K), 9:16(4K);"),
        ("16:9(8K)", "nearest: 16:9, 16:9(2K), 16:9(4K);"),
        ("1:1()", "nearest: 1:1, 1:1(2K), 1:1(4K);"),
        ("1024x1024px", "nearest: 1024x1024"),
        ("16:9-4K", "nearest: 16:9(4K)"),
        ("auot", "nearest: auto"),
        ("large", "write pixels, such as 1152x1536, auto, or one of 1:1, 4:3,"),
        ("", "'' is not a documented size"),
        ("0:1", "'0:1' is not a documented size"),
        ("10 24x1024", "'10 24x1024' is not a documented size"),
        ("1024x1024²", "'1024x1024²' is not a documented size"),
        ("-1024x1024", "'-1024x1024' is not a documented size"),
        ("0x1024", "an edge has 1 to 16384 pixels"),
        ("1024x16385", "an edge has 1 to 16384 pixels"),
        ("9" * 9000 + "x1", "9999…' is not a size"),
    ],
)
def test_what_is_no_size_is_refused_with_a_way_out(written: str, hint: str) -> None:
    with pytest.raises(ValueError, match="is not a") as caught:
        sizes.resolve(written)
    assert hint in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text())
def test_any_text_is_resolved_or_refused(text: str) -> None:
    try:
        size = sizes.resolve(text)
    except ValueError:
        return
    assert size == sizes.AUTO or sizes.parse(size) is not None


@given(st.integers(1, sizes.MAX_EDGE), st.integers(1, sizes.MAX_EDGE))
def test_pixels_pass_unchanged(width: int, height: int) -> None:
    size = f"{width}x{height}"
    assert sizes.resolve(size) == size
    assert sizes.parse(size) == (width, height)


@pytest.mark.parametrize("size", ["auto", "16:9", "0x1", "1024X1024", "123456x1", ""])
def test_only_sizes_as_sent_have_edges(size: str) -> None:
    assert sizes.parse(size) is None


@pytest.mark.parametrize(
    ("size", "tier"),
    [
        ("1024x1024", "base"),
        ("1080x1920", "base"),
        ("2560x1712", "2K"),
        ("3840x2160", "4K"),
        ("1000x1000", None),
        ("auto", None),
    ],
)
def test_a_documented_size_has_a_tier(size: str, tier: str | None) -> None:
    assert sizes.tier(size) == tier


@pytest.mark.parametrize(
    ("size", "codes"),
    [
        ("auto", ()),
        ("1024x1024", ()),
        ("3840x2160", ()),
        ("1024x640", ("unlisted_size",)),
        ("2304x768", ("unlisted_size",)),
        ("1000x1000", ("unlisted_size", "beyond_openai_limits")),
        ("3856x2000", ("unlisted_size", "beyond_openai_limits")),
        ("2320x768", ("unlisted_size", "beyond_openai_limits")),
        ("512x512", ("unlisted_size", "beyond_openai_limits")),
        ("not a size", ("unlisted_size",)),
    ],
)
def test_a_risky_size_is_warned_about(size: str, codes: tuple[str, ...]) -> None:
    assert sizes.warnings(size) == codes
    assert sizes.is_documented(size) is ("unlisted_size" not in codes)


def test_five_documented_sizes_are_beyond_openais_own_limits() -> None:
    beyond = {size for size in DOCUMENTED.values() if sizes.warnings(size)}
    assert beyond == {
        "1920x1080",
        "1080x1920",
        "3840x2880",
        "3840x2560",
        "2560x3840",
    }


@pytest.mark.parametrize("size", [*DOCUMENTED.values(), "auto"])
def test_large_begins_with_the_2k_tier(size: str) -> None:
    assert sizes.is_large(size) is (sizes.tier(size) in {"2K", "4K"})
