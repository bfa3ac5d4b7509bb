from __future__ import annotations

import io
import random
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batcher import images
from batcher.images import Defect, Format, Properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WIDTH, HEIGHT = 24, 17
EMPTY_TIFF = b"MM\0*\0\0\0\x08" + bytes(6)  # a header, a directory of nothing


def picture(mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Draw noise, so that every byte of the coded image matters."""
    noise = random.Random(seed).randbytes(WIDTH * HEIGHT * len(mode))
    return Image.frombytes(mode, (WIDTH, HEIGHT), noise)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def animated(kind: str) -> bytes:
    frames = [picture(seed=seed) for seed in (1, 2)]
    return saved(picture(), kind, save_all=True, append_images=frames, duration=40)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(*chunks: bytes, interlace: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


def interlaced_png() -> bytes:
    """Pillow cannot write one: the seven Adam7 passes over a grey picture."""
    grey = picture("L").tobytes()
    rows = [grey[y * WIDTH : (y + 1) * WIDTH] for y in range(HEIGHT)]
    passes = [
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ]
    lines = [
        b"\0" + row[x::step_x]
        for x, y, step_x, step_y in passes
        for row in rows[y::step_y]
    ]
    pixels = zlib.compress(b"".join(lines))
    return png(png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""), interlace=1)


def jpeg_with_thumbnail() -> bytes:
    thumbnail = saved(picture().resize((8, 8)), "JPEG")
    return saved(picture(), "JPEG", exif=b"Exif\0\0" + EMPTY_TIFF + thumbnail)


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in chunks
    )
    size = 4 + len(body) if size is None else size
    return b"RIFF" + struct.pack("<I", size) + b"WEBP" + body


PNGS: Mapping[str, bytes] = {
    "rgb": saved(picture(), "PNG"),
    "rgba": saved(picture("RGBA"), "PNG"),
    "palette": saved(picture().quantize(16), "PNG"),
    "bilevel": saved(picture("L").convert("1"), "PNG"),
    "16-bit": saved(picture("L").convert("I;16"), "PNG"),
    "interlaced": interlaced_png(),
    "animated": animated("PNG"),
    "with metadata": saved(picture(), "PNG", exif=EMPTY_TIFF + bytes(40), dpi=(72, 72)),
}
JPEGS: Mapping[str, bytes] = {
    "baseline": saved(picture(), "JPEG", quality=95),
    "progressive": saved(picture(), "JPEG", progressive=True),
    "grey": saved(picture("L"), "JPEG"),
    "cmyk": saved(picture("CMYK"), "JPEG"),
    "restarts": saved(picture(), "JPEG", restart_marker_blocks=1),
    "thumbnail": jpeg_with_thumbnail(),
    "comment": saved(picture(), "JPEG", comment=b"\xff\xd9 is no end here"),
}
WEBPS: Mapping[str, bytes] = {
    "lossy": saved(picture(), "WEBP"),
    "lossless": saved(picture(), "WEBP", lossless=True),
    "lossy alpha": saved(picture("RGBA"), "WEBP"),
    "lossless alpha": saved(picture("RGBA"), "WEBP", lossless=True),
    "animated": animated("WEBP"),
    "with metadata": saved(picture(), "WEBP", exif=EMPTY_TIFF + bytes(41)),
}
GIFS: Mapping[str, bytes] = {
    "still": saved(picture(), "GIF"),
    "animated": animated("GIF"),
    "comment": saved(picture(), "GIF", comment=b"; is no end here"),
}
SAMPLES: Mapping[str, tuple[Format, bytes]] = {
    f"{image_format} {name}": (image_format, data)
    for image_format, files in (
        (Format.PNG, PNGS),
        (Format.JPEG, JPEGS),
        (Format.WEBP, WEBPS),
        (Format.GIF, GIFS),
    )
    for name, data in files.items()
}
every_sample = pytest.mark.parametrize(
    ("image_format", "data"), SAMPLES.values(), ids=SAMPLES.keys()
)
any_sample = st.sampled_from([data for _, data in SAMPLES.values()])


def inspected(pieces: Sequence[bytes | memoryview]) -> Properties | Defect:
    inspector = images.Inspector()
    for piece in pieces:
        inspector.feed(piece)
    return inspector.finish()


def message(data: bytes) -> str:
    verdict = images.inspect(data)
    assert isinstance(verdict, Defect)
    return verdict.message


@every_sample
def test_a_whole_image_has_the_size_that_pillow_sees(
    image_format: Format, data: bytes
) -> None:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        width, height = opened.size
    assert images.inspect(data) == Properties(
        format=image_format, width=width, height=height
    )
    assert (width, height) == (WIDTH, HEIGHT)


@every_sample
def test_a_cut_is_noticed_wherever_it_falls(image_format: Format, data: bytes) -> None:
    assert images.sniff(data[:12]) is image_format
    for end in range(len(data)):
        assert isinstance(images.inspect(data[:end]), Defect), end


@every_sample
@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_the_size_of_the_pieces_does_not_matter(
    image_format: Format, data: bytes, size: int
) -> None:
    pieces = [memoryview(data)[at : at + size] for at in range(0, len(data), size)]
    assert inspected(pieces) == Properties(
        format=image_format, width=WIDTH, height=HEIGHT
    )


@every_sample
def test_what_follows_the_end_is_ignored(image_format: Format, data: bytes) -> None:
    assert inspected([data, b"\n<!-- served by a gateway -->"]) == Properties(
        format=image_format, width=WIDTH, height=HEIGHT
    )


@pytest.mark.parametrize("name", ["rgb", "palette", "interlaced"])
def test_every_flipped_bit_of_a_png_is_noticed(name: str) -> None:
    data = bytearray(PNGS[name])
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        assert isinstance(images.inspect(bytes(data)), Defect), bit
        data[bit // 8] ^= 1 << bit % 8


def test_a_jpeg_may_carry_a_second_picture_behind_its_own() -> None:
    album = saved(picture(), "MPO", save_all=True, append_images=[picture(seed=1)])
    expected = Properties(format=Format.JPEG, width=WIDTH, height=HEIGHT)
    assert images.inspect(album) == expected


def test_a_small_piece_is_not_kept() -> None:
    piece = bytearray(PNGS["rgb"])
    inspector = images.Inspector()
    inspector.feed(memoryview(piece)[:100])
    inspector.feed(memoryview(piece)[100:200])
    piece.clear()  # refused while anything still looks at it
    assert isinstance(inspector.finish(), Defect)


def test_a_verdict_stands() -> None:
    inspector = images.Inspector()
    inspector.feed(PNGS["rgb"][:-1])
    verdict = inspector.finish()
    inspector.feed(PNGS["rgb"][-1:])
    assert inspector.finish() is verdict


@given(any_sample, st.data())
def test_any_split_of_any_cut_gives_the_same_verdict(
    data: bytes, draw: st.DataObject
) -> None:
    data = data[: draw.draw(st.integers(0, len(data)))]
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    bounds = zip([0, *cuts], [*cuts, len(data)], strict=True)
    pieces = [data[start:end] for start, end in bounds]
    assert inspected(pieces) == images.inspect(data)


@given(
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\xff\0\0\0WEBP", b"GIF89a"]
    ),
    st.binary(max_size=200),
)
def test_garbage_never_raises(magic: bytes, rest: bytes) -> None:
    verdict = images.inspect(magic + rest)
    assert isinstance(verdict, Properties) or verdict.message.isprintable()


@given(any_sample, st.data())
def test_damage_never_raises(data: bytes, draw: st.DataObject) -> None:
    broken = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(broken) - 1))
        broken[at : at + draw.draw(st.integers(0, 3))] = draw.draw(
            st.binary(max_size=3)
        )
    verdict = images.inspect(bytes(broken))
    assert isinstance(verdict, Properties) or verdict.message.isprintable()


@pytest.mark.parametrize(
    ("head", "image_format"),
    [
        (b"", None),
        (b"\x89PNG\r\n\x1a", None),
        (b"\xff\xd8\xff", Format.JPEG),
        (b"RIFF\n\n\n\nWEBP", Format.WEBP),
        (b"RIFF....WAVEfmt ", None),
        (b"GIF87a", Format.GIF),
        (b"GIF88a", None),
        (b'{"error": {}}', None),
    ],
)
def test_the_first_bytes_tell_the_format(
    head: bytes, image_format: Format | None
) -> None:
    assert images.sniff(head) is image_format


def test_every_format_has_its_suffix() -> None:
    assert dict(images.SUFFIX) == {
        "png": ".png",
        "jpeg": ".jpg",
        "webp": ".webp",
        "gif": ".gif",
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty: no bytes"),
        (b"<html", "not an image: HTML or XML"),
        (b"\n <html>" * 99, "not an image: HTML or XML"),
        (b'{"error": {"message": "sk-1234567890"}}', "not an image: JSON"),
        (b"you sent sk-1234567890", "not an image: text"),
        ("余额不足".encode() * 9, "not an image: text"),
        (b"\x1b[2Jgone", "not an image: begins with 1b 5b 32 4a 67 6f 6e 65"),
        (b"\xffgone by now", "not an image: begins with ff 67 6f 6e 65 20 62 79"),
        (PNGS["rgb"][:100], "cut after 100 bytes: no IEND chunk"),
        (JPEGS["baseline"][:-1] + b"\0", "no end-of-image marker"),
        (WEBPS["lossy"][:20], "cut after 20 bytes: shorter than its RIFF header says"),
        (GIFS["still"][:-1], "no trailer"),
    ],
)
def test_a_message_says_what_came_instead(data: bytes, said: str) -> None:
    assert said in message(data)


IDAT = png_chunk(b"IDAT", zlib.compress(b""))
IEND = png_chunk(b"IEND", b"")
SCREEN = b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, 0, 0, 0)
FRAME = b"," + struct.pack("<HHHHB", 0, 0, WIDTH, HEIGHT, 0) + b"\x02\x01\x00\x00"
VP8X = (b"VP8X", bytes(4) + b"\x17\0\0\x10\0\0")
JPEG_FRAME = (
    b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", HEIGHT, WIDTH) + b"\x01\x01\x11\0"
)
JPEG_SCAN = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x55\xff\0\x55"
JPEG_COMMENT = b"\xff\xfe\0\x10              "


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(IEND), "PNG without an IDAT chunk"),
        (png()[:8] + IDAT + IEND, "the first PNG chunk is not a header"),
        (
            png()[:8] + png_chunk(b"IHDR", bytes(13)) + IDAT + IEND,
            "damaged: png of 0x0 pixels",
        ),
        (png(IDAT[:-1] + b"!", IEND), "PNG chunk 'IDAT' fails its checksum"),
        (
            b"\xff\xd8" + JPEG_COMMENT + JPEG_FRAME + b"\xff\xd9",
            "JPEG without a scan",
        ),
        (
            b"\xff\xd8" + JPEG_COMMENT + JPEG_SCAN + b"\xff\xd9",
            "damaged: jpeg of 0x0 pixels",
        ),
        (b"\xff\xd8\xff\xe0\0\x01" + bytes(32), "JPEG segment e0 is too short"),
        (b"\xff\xd8\xff\xc0\0\x06" + bytes(32), "JPEG segment c0 is too short"),
        (riff(VP8X, (b"EXIF", bytes(9))), "WebP without an image chunk"),
        (riff(size=0) + bytes(32), "WebP without an image chunk"),
        (riff(VP8X, (b"VP8 ", bytes(9)), size=35), "chunk is longer than its file"),
        (riff((b"EXIF", bytes(40))), "the first WebP chunk is not a header"),
        (riff((b"VP8X", bytes(9)), (b"VP8 ", bytes(9))), "chunk is not a header"),
        (riff((b"VP8 ", b"\0" * 40)), "damaged: webp of 0x0 pixels"),
        (riff((b"VP8L", b"\0" * 40)), "damaged: webp of 0x0 pixels"),
        (SCREEN + b"!\xfe\x05words\0" * 3 + b";", "GIF without a frame"),
        (SCREEN + b"?" + bytes(32), "no GIF block begins with 3f"),
        (b"GIF89a" + bytes(7) + FRAME + b";" + bytes(32), "gif of 0x0 pixels"),
    ],
)
def test_damage_to_the_structure_is_named(data: bytes, said: str) -> None:
    assert said in message(data)


def local_palette_gif() -> bytes:
    descriptor = bytearray(FRAME[:10])
    descriptor[9] = 0x80
    return SCREEN + bytes(descriptor) + b";;;;;;" + FRAME[10:] + b";"


def unpadded_webp() -> bytes:
    padded = riff(VP8X, (b"VP8 ", bytes(9)))
    return padded[:4] + struct.pack("<I", len(padded) - 9) + padded[8:-1]


def gif_of_26_bytes() -> bytes:
    return SCREEN + FRAME[:10] + b"\x02\x00;"


def jpeg_with_oddities() -> bytes:
    fill, junk, thumbnail = b"\xff\xff\xff", b"between segments", JPEGS["baseline"]
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    frame = fill + JPEG_FRAME[1:]
    return b"\xff\xd8" + segment + junk + frame + JPEG_SCAN * 2 + fill + b"\xd9"


@pytest.mark.parametrize(
    "make", [local_palette_gif, unpadded_webp, gif_of_26_bytes, jpeg_with_oddities]
)
def test_rare_but_lawful_files_are_whole(make: Callable[[], bytes]) -> None:
    data = make()
    for size in (1, len(data)):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        verdict = inspected(pieces)
        assert isinstance(verdict, Properties), verdict
        assert (verdict.width, verdict.height) == (WIDTH, HEIGHT)
    for end in range(len(data)):
        assert isinstance(images.inspect(data[:end]), Defect), end
