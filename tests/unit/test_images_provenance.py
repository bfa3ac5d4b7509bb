from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from decimal import Decimal
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from batcher import images
from batcher.images import Format, NotEmbedded
from batcher.images.fitting import fitted
from batcher.images.provenance import LARGEST_SEGMENT
from tests.unit.test_images import (
    EMPTY_TIFF,
    GIFS,
    HEIGHT,
    JPEGS,
    PNGS,
    SAMPLES,
    WEBPS,
    WIDTH,
    any_sample,
    picture,
    png_chunk,
    riff,
    saved,
)

DOCUMENT = {
    "software": "batcher 1.2.3",
    "id": "ab12",
    "name": "hero",
    "request": {
        "model": "gpt-image-2-pro",
        "prompt": "a <b> & ]]> \0 \N{FOX FACE} \ufffe \x7f\x1b",
        "size": "16x16",
        "n": 1,
    },
    "attempts": 2,
    "cost_usd": 0.25,
    "warnings": ["size_mismatch"],
    "history": [{"event": "attempt", "attempt": 1}],
}
XMP = b"http://ns.adobe.com/xap/1.0/\0"
FOREIGN = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>1</a></x:xmpmeta>"
REMOTE = FOREIGN.replace(b"<a>1</a>", b"<a dcterms:provenance='https://c/m'/>")
text = st.text(st.characters(codec="utf-8"))
document = st.dictionaries(
    text,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
        lambda part: st.lists(part) | st.dictionaries(text, part),
        max_leaves=8,
    ),
)


def halves(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def embedded(data: bytes, what: object = DOCUMENT, size: int = 1 << 20) -> bytes:
    splices = images.embedding(halves(data, size), what)  # type: ignore[arg-type]  # as tests find it
    assert isinstance(splices, tuple), splices
    return b"".join(images.spliced(halves(data, size), splices))


def refused(data: bytes, what: object = DOCUMENT) -> str:
    refusal = images.embedding([data], what)  # type: ignore[arg-type]  # as tests find it
    assert isinstance(refusal, NotEmbedded), refusal
    return refusal.message


def read(data: bytes, size: int = 1 << 20) -> dict[str, object] | None:
    return images.read_provenance(halves(data, size))


def pixels(data: bytes) -> list[tuple[str, object, bytes]]:
    with Image.open(io.BytesIO(data)) as opened:
        return [
            (frame.mode, frame.info.get("duration"), frame.tobytes())
            for frame in ImageSequence.Iterator(opened)
        ]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def after_soi(*segments: bytes, data: bytes = JPEGS["baseline"]) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def after_header(*chunks: bytes, data: bytes = PNGS["rgb"]) -> bytes:
    return data[:33] + b"".join(chunks) + data[33:]


def itxt(keyword: bytes, value: bytes) -> bytes:
    return png_chunk(b"iTXt", keyword + bytes(5) + value)


MODES = ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"]
MORE = {
    **{
        f"png {mode}": saved(
            picture().convert("L").convert(mode)
            if mode == "I;16"
            else picture("RGBA").convert(mode),
            "PNG",
        )
        for mode in MODES
    },
    "apng": saved(picture(), "PNG", save_all=True, append_images=[picture(seed=3)]),
    "jpeg progressive": saved(picture(), "JPEG", progressive=True),
    "jpeg grey": saved(picture("L"), "JPEG"),
    "jpeg cmyk": saved(picture("RGBA").convert("CMYK"), "JPEG"),
    "jpeg exif": saved(
        picture(), "JPEG", exif=b"Exif\0\0" + EMPTY_TIFF, icc_profile=b"x" * 99
    ),
    "webp lossless rgba": saved(picture("RGBA"), "WEBP", lossless=True, exact=True),
    "webp xmp": saved(picture(), "WEBP", xmp=FOREIGN),
}
EVERY = {**{name: data for name, (_, data) in SAMPLES.items()}, **MORE}
every_file = pytest.mark.parametrize("data", EVERY.values(), ids=EVERY.keys())


@every_file
def test_pixels_and_properties_stay(data: bytes) -> None:
    stamped = embedded(data)
    assert images.inspect(stamped) == images.inspect(data)
    assert pixels(stamped) == pixels(data)


@every_file
def test_what_was_embedded_is_read_back(data: bytes) -> None:
    assert read(data) is None
    assert read(embedded(data)) == DOCUMENT


@every_file
def test_a_second_time_replaces_the_first(data: bytes) -> None:
    other = {"software": "batcher 2", "request": {"prompt": "another"}}
    assert embedded(embedded(data), other) == embedded(data, other)


@every_file
@pytest.mark.parametrize("size", [1, 3, 64])
def test_how_the_file_is_divided_does_not_matter(data: bytes, size: int) -> None:
    stamped = embedded(data)
    assert embedded(data, size=size) == stamped
    assert read(stamped, size) == DOCUMENT


@given(data=any_sample, what=document)
def test_any_document_comes_back(data: bytes, what: dict[str, object]) -> None:
    stamped = embedded(data, what)
    assert images.inspect(stamped) == images.inspect(data)
    assert read(stamped) == what


@given(
    data=any_sample,
    prompt=st.text(st.characters(codec="utf-8"), max_size=40),
    times=st.integers(1, 900),
)
def test_a_long_prompt_is_kept_or_said_to_be_cut(
    data: bytes, prompt: str, times: int
) -> None:
    what = {"request": {"prompt": prompt * times}}
    found = read(embedded(data, what))
    assert found is not None
    if found != what:
        assert found["shortened"] == ["request.prompt"]
        cut = found["request"]["prompt"]  # type: ignore[index]  # a mapping, as put in
        assert (prompt * times).startswith(cut.removesuffix("…"))
        assert images.sniff(data) is Format.JPEG


@given(data=any_sample, junk=st.binary(max_size=200), at=st.integers(0, 400))
def test_whatever_a_file_holds_reading_does_not_raise(
    data: bytes, junk: bytes, at: int
) -> None:
    stamped = embedded(data)
    read(stamped[:at] + junk + stamped[at + len(junk) :])
    read(stamped[:at])
    images.embedding([stamped[:at]], DOCUMENT)


def test_viewers_show_the_text_of_a_png() -> None:
    with Image.open(io.BytesIO(embedded(PNGS["rgb"]))) as opened:
        info = {key: str(value) for key, value in opened.info.items()}
    prompt = DOCUMENT["request"]["prompt"].replace("\0", "\ufffd")  # type: ignore[index]  # a mapping
    assert info["Description"] == prompt
    assert info["Software"] == "batcher 1.2.3"
    assert info["parameters"] == f"{prompt}\nSize: 16x16, Model: gpt-image-2-pro"
    assert json.loads(info["batcher"]) == DOCUMENT


@pytest.mark.parametrize(
    "data", [JPEGS["baseline"], WEBPS["lossy"]], ids=["jpeg", "webp"]
)
def test_viewers_show_the_xmp_of_a_jpeg_and_a_webp(data: bytes) -> None:
    with Image.open(io.BytesIO(embedded(data))) as opened:
        opened.load()
        packet = opened.info["xmp"]
    assert packet.startswith(b"<?xpacket")
    texts = {
        each.tag.partition("}")[2]: each.text for each in fromstring(packet).iter()
    }
    assert texts["li"] is not None
    assert texts["li"].startswith("a <b> & ]]> \ufffd")
    assert texts["CreatorTool"] == "batcher 1.2.3"
    assert json.loads(texts["provenance"] or "") == DOCUMENT


def test_exif_stays_first_in_a_jpeg() -> None:
    stamped = embedded(MORE["jpeg exif"])
    with Image.open(io.BytesIO(stamped)) as opened:
        assert opened.info["exif"] == b"Exif\0\0" + EMPTY_TIFF
        assert opened.info["icc_profile"] == b"x" * 99
        assert opened.info["xmp"]
    assert stamped.index(b"Exif\0\0") < stamped.index(XMP)


@pytest.mark.parametrize(
    ("data", "own"),
    [
        (after_soi(segment(0xE1, XMP + FOREIGN)), b"\xff\xfe"),
        (MORE["webp xmp"], b"BTCH"),
        (after_header(itxt(b"XML:com.adobe.xmp", FOREIGN)), b"Description"),
    ],
    ids=["jpeg", "webp", "png"],
)
def test_the_xmp_of_others_is_left_alone(data: bytes, own: bytes) -> None:
    stamped = embedded(data)
    assert stamped.count(FOREIGN) == data.count(FOREIGN) == 1
    assert stamped.count(b"<x:xmpmeta") == 1
    assert own in stamped
    assert read(stamped) == DOCUMENT


def test_the_words_of_others_are_left_alone() -> None:
    theirs = itxt(b"Description", b"theirs") + itxt(b"parameters", b"theirs too")
    data = after_header(theirs)
    assert embedded(embedded(data)).count(theirs) == 1
    comment = segment(0xFE, b"batcher is a tool")
    assert embedded(after_soi(comment)).count(comment) == 1
    assert read(after_soi(comment)) is None


JUMBF = segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb" + bytes(24))
SIGNED = {
    "png": after_header(png_chunk(b"caBX", b"\0\0\0\x20jumb")),
    "png, late": PNGS["rgb"][:-12] + png_chunk(b"caBX", b"") + PNGS["rgb"][-12:],
    "png, elsewhere": after_header(itxt(b"XML:com.adobe.xmp", REMOTE)),
    "jpeg": after_soi(JUMBF, JUMBF),
    "jpeg, elsewhere": after_soi(segment(0xE1, XMP + REMOTE)),
    "webp": riff(*[(b"VP8X", b"\0" * 10), (b"VP8L", b"/" * 6), (b"C2PA", b"\0")]),
    "webp, elsewhere": saved(picture(), "WEBP", xmp=REMOTE),
    "gif": GIFS["still"][:-1] + b"!\xff\x0bC2PA_GIF\1\0\0\3abc\0;",
}


@pytest.mark.parametrize("data", SIGNED.values(), ids=SIGNED.keys())
def test_what_is_signed_is_not_changed(data: bytes) -> None:
    assert "C2PA" in refused(data)


def test_other_segments_of_that_marker_are_no_credentials() -> None:
    assert read(embedded(after_soi(segment(0xEB, b"HDR_RI")))) == DOCUMENT


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>", "no image"),
        (b"", "no image"),
        (riff((b"VP8 ", b"")), "no whole WebP"),
        (riff(), "no whole WebP"),
        (riff((b"VP9 ", bytes(20))), "no whole WebP"),
        (GIFS["still"][:-1], "no whole GIF"),
        (GIFS["still"][:-1] + b"x", "no whole GIF"),
        (GIFS["still"][:9], "no whole GIF"),
        (b"\xff\xd8\xff", "no whole JPEG"),
        (PNGS["rgb"][:50], "no whole PNG"),
        (JPEGS["baseline"][:2] + b"\xff\xd9", "no whole JPEG"),
    ],
)
def test_what_is_no_image_is_left_as_it_is(data: bytes, words: str) -> None:
    assert words in refused(data)
    assert read(data) is None


@pytest.mark.parametrize("data", EVERY.values(), ids=EVERY.keys())
def test_a_document_that_cannot_be_shortened_is_refused(data: bytes) -> None:
    assert "no room" in refused(data, {str(n): "x" * 90 for n in range(12_000)})


def test_a_webp_may_not_outgrow_its_header() -> None:
    tall = riff((b"VP8X", b"\0" * 10), size=0xFFFF_FF00) + bytes(4)
    vast = tall[:30] + b"VP8L" + struct.pack("<I", 0xFFFF_FEE0)
    assert "no room" in refused(vast)


def test_an_old_gif_becomes_one_that_may_hold_comments() -> None:
    old = b"GIF87a" + GIFS["still"][6:]
    assert embedded(old) == embedded(GIFS["still"])


def test_an_odd_webp_is_padded() -> None:
    even = saved(picture(), "WEBP", lossless=True)
    pad = bytes(1) if len(even) % 2 else b""
    chunk = b"EXIF" + struct.pack("<I", 3) + b"abc"
    body = even[12:] + pad + chunk
    odd = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    stamped = embedded(odd)
    assert read(stamped) == DOCUMENT
    assert len(stamped) == 8 + int.from_bytes(stamped[4:8], "little")
    assert b"abc\0XMP " in stamped


def test_a_simple_webp_is_told_its_canvas() -> None:
    stamped = embedded(MORE["webp lossless rgba"])
    assert stamped[12:16] == b"VP8X"
    assert stamped[20] == 0x14  # XMP and alpha
    edges = struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
    assert stamped[24:30] == edges
    assert embedded(WEBPS["lossy"])[20] == 0x04


def test_fill_bytes_and_markers_alone_are_passed_over() -> None:
    strange = after_soi(b"\xff\x01\xff\xff" + segment(0xFE, b"hello")[1:])
    assert read(embedded(strange)) == DOCUMENT


def test_what_others_made_of_a_packet_is_still_read() -> None:
    stamped = embedded(JPEGS["baseline"], {"id": "x"})
    start = stamped.index(b"<?xpacket begin")
    edited = stamped[:start] + stamped[start:].replace(b"<?xpacket", b"<!xpacket", 1)
    assert read(edited) == {"id": "x"}
    assert read(edited.replace(b'{"id"', b'<"id"')) is None
    assert read(edited.replace(b'{"id"', b'["id"')) is None


def test_a_large_file_is_not_held() -> None:
    head, tail = after_header()[:33], PNGS["rgb"][33:]
    chunk = png_chunk(b"IDAT", bytes(1 << 16))

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(100):
            yield chunk
        yield tail

    splices = images.embedding(pieces(), DOCUMENT)
    assert isinstance(splices, tuple)
    largest = max(map(len, images.spliced(pieces(), splices)))
    assert largest <= len(chunk)


def test_money_is_written_as_a_number() -> None:
    found = read(embedded(PNGS["rgb"], {"cost_usd": Decimal("0.10")}))
    assert found == {"cost_usd": 0.1}


def as_json(what: object) -> bytes:
    return json.dumps(what).encode()


@given(what=document, most=st.integers(0, 2000))
def test_what_was_shortened_fits(what: dict[str, object], most: int) -> None:
    made = fitted(what, as_json, most)
    assert made is None or len(made) <= most


def test_the_longest_texts_are_cut_first() -> None:
    what = {"a": ["x" * 900, {"b": "y" * 3000}], "c": "z" * 200, "d": 1}
    made = fitted(what, as_json, 1000)
    assert made is not None
    found = json.loads(made)
    assert set(found["shortened"]) == {"a.0", "a.1.b"}
    assert found["c"] == what["c"]
    assert len(found["a"][0]) < 900
    assert LARGEST_SEGMENT == 65_533
