"""The pictures: what they depend on, what they weigh, and what they tell of themselves."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Barrier

import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont, PngImagePlugin, features

from mockhub.images import captions, palettes
from mockhub.images.renderer import (
    Cache,
    ImageSpec,
    NotAMockhubImage,
    digest,
    read_metadata,
    render,
)

UPLOADS = Path(__file__).parents[2] / "fixtures" / "uploads"

APPLE = ImageSpec(
    seed=7,
    model="gpt-image-2",
    prompt="A red apple on a wooden table, morning light",
    width=256,
    height=192,
    index=0,
    count=4,
    references=("ab" * 32,),
    quality="high",
    format="png",
)

# Another value of each field, so that no field can be forgotten.
OTHERS = {
    "seed": 8,
    "model": "gpt-image-3",
    "prompt": "A green apple",
    "width": 272,
    "height": 208,
    "index": 1,
    "count": 3,
    "references": (),
    "quality": "low",
    "format": "webp",
}

PROMPTS = (
    "plain words",
    "लाल सेब, पहाड़ों के ऊपर",
    "🌅✨ 👨‍👩‍👧 \U0001f3f4",
    "two\nlines\tand\r\nmore",
    "a\x00b\x1b[31m",
    "lone \ud800 and \udfff",
    "right \u202eto left مرحبا",
    '"quoted" \\ {braces} <b>&amp;',
    "x" * 3000,
    " \u200b ",
)

# sha256 of width x height x RGB, whatever the release of Pillow, zlib or FreeType.
PIXELS = {
    (0, 16, 16): "b01503c7394ce1041ced60be3725acaea3605f68003dcb9c9c46fce50b126f6a",
    (1, 64, 48): "f66db0756a8380a927b11eb87dcdf58affaf1c2953dbf4cb4b100ff936928767",
    (2, 256, 256): "ff6af5cb8cabfb134a993487d23798efd4c5500eff551274ce290a3958f3a58e",
    (3, 1024, 1024): "0bdd72f5195f7f534f9dc97ec691f7aee5c1249f4ba1d7d3545d473509844db1",
    (4, 640, 960): "0c2462170e2574661460e89129bc1f6dbc13edbde0e608981c032eb94996c54c",
    (5, 1536, 512): "1af9bfbd36c5494df5de9172c3d2a747a567e5ffbcaf8b7e22abc8490d4e7163",
}

# sha256 of the file, with the releases that these were recorded with.
RECORDED_WITH = ("13.0.0", "2.3.3")  # Pillow and zlib-ng
BYTES = {
    (0, 16, 16): "a6dbd4f0b8dc02f83049d102479142efc1eb86b47e3c3774f145b4e910a85210",
    (3, 1024, 1024): "c0b6a46ae88f9e59546840eda21a3f23555173fdea3c8f30b3045a5af73b3fe1",
}


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def pixels(data: bytes) -> bytes:
    return opened(data).convert("RGB").tobytes()


def releases() -> tuple[str, str]:
    return PIL.__version__, str(features.version("zlib_ng") or features.version("zlib"))


def golden(case: tuple[int, int, int]) -> bytes:
    index, width, height = case
    return render(replace(APPLE, index=index, count=6, width=width, height=height))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (16, 16), (48, 16), (512, 512), (1024, 1536), (1200, 400)]
)
def test_exact_size(format: str, width: int, height: int) -> None:
    """A picture has exactly the size asked for, in the format asked for."""
    image = opened(render(replace(APPLE, format=format, width=width, height=height)))
    assert ((width, height), format.upper()) == (image.size, image.format)


def test_largest() -> None:
    """A 4K picture has 3840x2160 pixels of at most 256 colours."""
    image = opened(render(replace(APPLE, width=3840, height=2160)))
    assert (image.size, image.mode) == ((3840, 2160), "P")


@pytest.mark.parametrize("side", [16, 64, 256])
def test_images_of_one_request_differ(side: int) -> None:
    """Ten images of one request show ten different pictures."""
    drawn = {pixels(render(replace(APPLE, width=side, height=side, index=i))) for i in range(10)}
    assert len(drawn) == 10


@pytest.mark.parametrize("name", sorted(set(OTHERS) - {"width", "height", "format"}))
def test_every_field_shows(name: str) -> None:
    """Each field of a picture changes what is seen, not only what is told."""
    assert pixels(render(APPLE)) != pixels(render(replace(APPLE, **{name: OTHERS[name]})))


def test_every_field_is_in_the_digest() -> None:
    """Each field of a picture has a part in its entity tag."""
    assert set(OTHERS) == {field.name for field in fields(ImageSpec)}
    tags = {digest(replace(APPLE, **{name: value})) for name, value in OTHERS.items()}
    assert len(OTHERS) + 1 == len(tags | {digest(APPLE)})


def test_digest_does_not_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entity tag, 128 bits in hexadecimal, is known without drawing."""
    monkeypatch.setattr("mockhub.images.renderer.Canvas", None)
    assert len(bytes.fromhex(digest(APPLE))) == 16
    with pytest.raises(TypeError):
        render(APPLE)


def test_same_bytes_in_fresh_interpreters() -> None:
    """The same fields give the same bytes and tag in any process, whatever its hash seed."""
    program = (
        "import sys, hashlib; from tests.images.test_images import *\n"
        "for format in ('png', 'jpeg', 'webp'):\n"
        "    picture = replace(APPLE, format=format, prompt=PROMPTS[1])\n"
        "    print(sha256(render(picture)).hexdigest(), digest(picture))\n"
    )
    expected = "".join(
        f"{sha256(render(picture)).hexdigest()} {digest(picture)}\n"
        for picture in (
            replace(APPLE, format=format, prompt=PROMPTS[1]) for format in ("png", "jpeg", "webp")
        )
    )
    for seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected == answer.stdout


@pytest.mark.parametrize("case", PIXELS, ids=str)
def test_golden_pixels(case: tuple[int, int, int]) -> None:
    """The pixels of a picture are the same on every machine, for as long as RECIPE stands."""
    assert PIXELS[case] == sha256(pixels(golden(case))).hexdigest()


@pytest.mark.parametrize("case", BYTES, ids=str)
def test_golden_bytes(case: tuple[int, int, int]) -> None:
    """The bytes of a PNG are the same on every machine with the locked dependencies."""
    if releases() != RECORDED_WITH:
        pytest.skip(f"recorded with Pillow and zlib-ng {RECORDED_WITH}; here are {releases()}")
    assert BYTES[case] == sha256(golden(case)).hexdigest()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("prompt", PROMPTS, ids=ascii)
def test_inspect_reads_back(prompt: str, format: str) -> None:
    """A picture tells the request that it came from, whatever the prompt and the format."""
    expected = {
        "generator": "mockhub",
        "recipe": 1,
        "seed": 7,
        "model": "gpt-image-2",
        "prompt": prompt,
        "size": "64x48",
        "index": 2,
        "count": 4,
        "references": ["ab" * 32],
        "quality": "high",
    }
    picture = replace(APPLE, prompt=prompt, format=format, width=64, height=48, index=2)
    assert expected == read_metadata(render(picture))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_inspect_reads_the_longest_prompt(format: str) -> None:
    """The longest prompt that the law allows, in letters of four bytes, fits in each format."""
    prompt = "\U0001f34e" * 32_000
    picture = replace(APPLE, prompt=prompt, format=format, width=16, height=16)
    assert prompt == read_metadata(render(picture))["prompt"]


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_resaved(kind: str) -> None:
    """A picture that somebody saved again has no chunk, and the message says so."""
    file = BytesIO()
    Image.frombytes("RGB", (256, 192), pixels(render(APPLE))).save(file, kind)
    with pytest.raises(
        NotAMockhubImage, match=f"a {kind.upper()} image of 256x192 without a mockhub chunk"
    ):
        read_metadata(file.getvalue())


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("sunset.png", "a PNG image of 24x16 without"),
        ("sunset.jpg", "a JPEG image of 24x16 without"),
        ("sunset.jpeg", "a JPEG image of 24x16 without"),
        ("sunset.webp", "a WEBP image of 24x16 without"),
        ("gif_named.png", "a GIF image of 24x16 without"),
        ("picture.bmp", "a BMP image of 6x4 without"),
        ("empty.png", "an empty file; expected an image drawn by mockhub"),
        ("text_named.png", "no image: 38 bytes that begin with b'This is text"),
        ("page.html", "no image: 39 bytes that begin with b'<!doctype"),
        ("drawing.svg", "no image: 97 bytes that begin with b'<svg"),
        ("cut_header.png", r"no image: 6 bytes that begin with b'\\x89PNG"),
    ],
)
def test_inspect_names_what_it_found(name: str, what: str) -> None:
    """A file that is not ours is refused with a sentence that says what it is."""
    with pytest.raises(NotAMockhubImage, match=f"^this is {what}"):
        read_metadata((UPLOADS / name).read_bytes())


def test_inspect_of_a_damaged_picture() -> None:
    """A picture cut within its header is named as a damaged one."""
    with pytest.raises(
        NotAMockhubImage, match="a damaged or unsupported image/png file of 20 bytes"
    ):
        read_metadata(render(APPLE)[:20])


@pytest.mark.parametrize("text", ["not JSON", "[1]", '{"generator": "another"}'])
def test_inspect_of_a_foreign_chunk(text: str) -> None:
    """A chunk under our name that we did not write is shown, not believed."""
    file, chunks = BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text("mockhub", text)
    Image.new("L", (3, 2)).save(file, "PNG", pnginfo=chunks)
    with pytest.raises(
        NotAMockhubImage, match="a PNG image of 3x2 whose chunk mockhub did not write"
    ):
        read_metadata(file.getvalue())


def test_inspect_of_a_huge_header() -> None:
    """A header that claims a hundred thousand pixels a side is refused, with no warning."""
    header = b"IHDR" + (100_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    checked = header + zlib.crc32(header).to_bytes(4, "big")
    with pytest.raises(NotAMockhubImage, match="a damaged or unsupported image/png"):
        read_metadata(b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + checked)


@pytest.mark.parametrize(
    ("prompt", "spelled"),
    [
        ("two\n lines\x00\t and", "two lines and"),
        ("एक लाल सेब", "ek lal seb"),
        ("Crème brûlée", "Creme brulee"),
        ("Красное яблоко", "Krasnoe yabloko"),
        ("sun 🌅", "sun :sunrise:"),
        ("lone \ud800 half", "lone half"),
        ("\u200b\x07", "\u00b7"),
    ],
)
def test_captions_are_spelled(prompt: str, spelled: str) -> None:
    """A caption has letters of the font alone, on one line, and is never empty."""
    assert spelled == captions.transliterate(prompt)


@given(text=st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_captions_have_no_empty_boxes(text: str) -> None:
    """Whatever the prompt, each letter of its caption is one that the font has."""
    font = ImageFont.load_default(30)
    missing = bytes(font.getmask("\uffff"))
    drawn = {letter: bytes(font.getmask(letter)) for letter in set(captions.transliterate(text))}
    assert [letter for letter, mask in drawn.items() if mask == missing] == []


@given(text=st.text("abc mW.", min_size=1, max_size=200), room=st.integers(60, 400))
@settings(max_examples=60, deadline=None)
def test_captions_are_wrapped(text: str, room: int) -> None:
    """No line of a caption is wider than its room, and no letter is lost."""
    lines = list(captions.wrap(captions.transliterate(text), 12, room))
    assert max(captions._text_width(line, 12) for line in lines) <= room
    assert captions.transliterate(text).replace(" ", "") == "".join(lines).replace(" ", "")


def test_captions_show_where_there_is_room() -> None:
    """The prompt is written on a picture of 256 pixels a side, and left out at 16."""
    for side, shown in ((16, False), (256, True), (1024, True)):
        sheet = Image.new("L", (side, side), 128)
        captions.draw_caption(sheet, "words", f"{side}x{side}")
        assert shown == (sheet.getextrema() != (128, 128))


@given(
    seed=st.integers(-(2**63), 2**63),
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    index=st.integers(0, 12),
    prompt=st.text(st.characters(), max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_any_picture(seed: int, width: int, height: int, index: int, prompt: str) -> None:
    """Any seed, size, index and prompt, lone surrogates too, is drawn in its exact size."""
    picture = replace(
        APPLE, seed=seed, width=width, height=height, index=index, count=13, prompt=prompt
    )
    assert (width, height) == opened(render(picture)).size


def test_palettes() -> None:
    """Each palette has 256 colours and goes from light to dark, so that captions are legible."""
    for number in range(palettes.PALETTE_COUNT):
        ramp = palettes.palette(number)
        assert len(ramp) == 768
        assert sum(ramp[:3]) - sum(ramp[-3:]) > 400


def test_cache_draws_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is kept is not drawn again; to peek never draws."""
    cache = Cache()
    assert cache.peek(APPLE) is None
    first = cache.get(APPLE)
    monkeypatch.setattr("mockhub.images.renderer.render", None)
    assert first is cache.get(replace(APPLE))
    assert first is cache.peek(APPLE)


def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache never holds more bytes than its bound, and lets the longest unused go first."""
    monkeypatch.setattr("mockhub.images.renderer.render", lambda picture: bytes(picture.width))
    first, second, third = (replace(APPLE, width=40, index=i) for i in range(3))
    cache = Cache(max_bytes=100)
    for picture in (first, second, first, third):
        cache.get(picture)
    assert (cache.size_bytes, len(cache)) == (80, 2)
    assert [cache.peek(p) is not None for p in (first, second, third)] == [True, False, True]


def test_cache_does_not_keep_what_is_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture larger than the bound is handed out, not kept, and drives nothing out."""
    monkeypatch.setattr("mockhub.images.renderer.render", lambda picture: bytes(picture.width))
    cache = Cache(max_bytes=100)
    cache.get(replace(APPLE, width=60))
    assert len(cache.get(replace(APPLE, width=101))) == 101
    assert (cache.size_bytes, len(cache)) == (60, 1)


def test_threads() -> None:
    """Pictures drawn by several threads at once are the ones drawn alone."""
    pictures = [replace(APPLE, index=i % 6, prompt=f"number {i // 6}") for i in range(18)]
    alone = [render(picture) for picture in pictures]
    captions._glyph.cache_clear()
    palettes.palette.cache_clear()
    cache, start = Cache(max_bytes=sum(map(len, alone)) // 2), Barrier(6)

    def work(_: int) -> list[bytes]:
        start.wait(10)
        return [cache.get(picture) for picture in pictures]

    with ThreadPoolExecutor(6) as pool:
        for drawn in pool.map(work, range(6)):
            assert alone == drawn
    kept = [cache.peek(picture) for picture in pictures]
    assert cache.size_bytes == sum(len(data) for data in kept if data) <= cache.max_bytes


def test_start_does_not_bring_pillow() -> None:
    """The pipeline and the images' door are imported without Pillow, which takes its time."""
    program = "import sys, json, mockhub.web.app; print(json.dumps('PIL' in sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not json.loads(answer.stdout)
