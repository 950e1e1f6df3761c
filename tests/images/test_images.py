"""Rendered images: their pixels, metadata, captions and cache."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Barrier

import PIL
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace
from PIL import Image, ImageFont, PngImagePlugin, features

from mockhub.images import captions, palettes
from mockhub.images.cache import ImageCache
from mockhub.images.formats import ImageMetadataError, read_metadata
from mockhub.images.image_spec import RENDERER_VERSION, ImageSpec
from mockhub.images.renderer import render

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

# Another value of every field of ImageSpec.
CHANGES = {
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

# SHA-256 of the RGB pixels, the same for all releases of Pillow, zlib and FreeType.
PIXELS = {
    (0, 16, 16): "464c4f92f1b2121ca6be25d4bbc3d6e82c3bd4f1c2d57d874658e37b052f9651",
    (1, 64, 48): "7586b6945cd2b6147de7dc5e2e8b57f0f263b40272960df2b50c5e863dbe5600",
    (2, 256, 256): "140bce7b62804329621fd480eedacac5d2b47e77df99b35e14ddc02c96c3477f",
    (3, 1024, 1024): "7ba4847ae4826e529e4ebc48ce2b94a1cc52534a13ffe34dea37c76feb36c67c",
    (4, 640, 960): "96ca075178442d09d3432231c0d3caaf9e9f3b7acde0b2dc131b53ad2a53d577",
    (5, 1536, 512): "350c39f4bc050f3b44c8e7c54bf39afa824f2979ba1922449580f72c7c90dd2d",
}

# SHA-256 of the file, which depends on these releases.
RECORDED_WITH = ("13.0.0", "2.3.3")  # Pillow and zlib-ng
BYTES = {
    (0, 16, 16): "ed8d330895e0c8f387ac7d977b4658ed548d2a46105f33cd217123f142f46689",
    (3, 1024, 1024): "a1d58c6c05716caca14d36ed3aad2c692f35e936635470181c831437a5ebd835",
}


def open_image(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def pixels(data: bytes) -> bytes:
    return open_image(data).convert("RGB").tobytes()


def installed_versions() -> tuple[str, str]:
    return PIL.__version__, str(features.version("zlib_ng") or features.version("zlib"))


def golden_image(case: tuple[int, int, int]) -> bytes:
    index, width, height = case
    return render(replace(APPLE, index=index, count=6, width=width, height=height))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (16, 16), (48, 16), (512, 512), (1024, 1536), (1200, 400)]
)
def test_image_has_the_requested_size_and_format(format: str, width: int, height: int) -> None:
    image = open_image(render(replace(APPLE, format=format, width=width, height=height)))
    assert (image.size, image.format) == ((width, height), format.upper())


def test_largest_image_has_a_palette() -> None:
    """A 4K image has 3840x2160 pixels of at most 256 colors."""
    image = open_image(render(replace(APPLE, width=3840, height=2160)))
    assert (image.size, image.mode) == ((3840, 2160), "P")


@pytest.mark.parametrize("side", [16, 64, 256])
def test_images_of_one_request_differ(side: int) -> None:
    """Ten images of one request are all different."""
    images = {pixels(render(replace(APPLE, width=side, height=side, index=i))) for i in range(10)}
    assert len(images) == 10


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"width", "height", "format"}))
def test_every_field_changes_the_pixels(name: str) -> None:
    """Each field changes the pixels, not only the metadata."""
    assert pixels(render(APPLE)) != pixels(render(replace(APPLE, **{name: CHANGES[name]})))


def test_every_field_is_in_the_digest() -> None:
    """Each field changes the entity tag, and all but those that the URL states its digest."""
    assert {field.name for field in fields(ImageSpec)} == set(CHANGES)
    specs = [APPLE, *(replace(APPLE, **{name: value}) for name, value in CHANGES.items())]
    assert len({spec.entity_tag() for spec in specs}) == len(specs)
    assert len({spec.url_digest() for spec in specs}) == len(specs) - len({"index", "format"})


def test_digest_does_not_render(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest has 128 bits in hexadecimal and does not need Pillow."""
    monkeypatch.setattr("mockhub.images.renderer.Canvas", None)
    assert len(bytes.fromhex(APPLE.entity_tag())) == 16
    with pytest.raises(TypeError):
        render(APPLE)


def test_bytes_are_the_same_in_every_process() -> None:
    """The bytes and the digest do not depend on the hash seed of the process."""
    program = (
        "import sys, hashlib; from tests.images.test_images import *\n"
        "for format in ('png', 'jpeg', 'webp'):\n"
        "    spec = replace(APPLE, format=format, prompt=PROMPTS[1])\n"
        "    print(sha256(render(spec)).hexdigest(), spec.entity_tag())\n"
    )
    expected = "".join(
        f"{sha256(render(spec)).hexdigest()} {spec.entity_tag()}\n"
        for spec in (
            replace(APPLE, format=format, prompt=PROMPTS[1]) for format in ("png", "jpeg", "webp")
        )
    )
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout == expected


@pytest.mark.parametrize("case", PIXELS, ids=str)
def test_golden_pixels(case: tuple[int, int, int]) -> None:
    """The pixels are the same on every machine until RENDERER_VERSION changes."""
    assert sha256(pixels(golden_image(case))).hexdigest() == PIXELS[case]


@pytest.mark.parametrize("case", BYTES, ids=str)
def test_golden_bytes(case: tuple[int, int, int]) -> None:
    """The bytes of a PNG are the same on every machine with the same Pillow and zlib."""
    if installed_versions() != RECORDED_WITH:
        pytest.skip(f"recorded with {RECORDED_WITH}; installed are {installed_versions()}")
    assert sha256(golden_image(case)).hexdigest() == BYTES[case]


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("prompt", PROMPTS, ids=ascii)
def test_metadata_is_read_back(prompt: str, format: str) -> None:
    """Every format carries every prompt."""
    expected = {
        "generator": "mockhub",
        "recipe": RENDERER_VERSION,
        "seed": 7,
        "model": "gpt-image-2",
        "prompt": prompt,
        "size": "64x48",
        "index": 2,
        "count": 4,
        "references": ["ab" * 32],
        "quality": "high",
    }
    spec = replace(APPLE, prompt=prompt, format=format, width=64, height=48, index=2)
    assert read_metadata(render(spec)) == expected


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_metadata_of_the_longest_prompt_is_read_back(format: str) -> None:
    """Every format carries 32,000 characters of four bytes."""
    prompt = "\U0001f34e" * 32_000
    spec = replace(APPLE, prompt=prompt, format=format, width=16, height=16)
    assert read_metadata(render(spec))["prompt"] == prompt


@pytest.mark.parametrize("format", ["jpeg", "webp", "png"])
def test_image_saved_again_has_no_metadata(format: str) -> None:
    """The error says what the file is."""
    file = BytesIO()
    Image.frombytes("RGB", (256, 192), pixels(render(APPLE))).save(file, format)
    with pytest.raises(
        ImageMetadataError, match=f"a {format.upper()} image of 256x192 without mockhub metadata"
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
        ("text_named.png", "not an image: 38 bytes that begin with b'This is text"),
        ("page.html", "not an image: 39 bytes that begin with b'<!doctype"),
        ("drawing.svg", "not an image: 97 bytes that begin with b'<svg"),
        ("cut_header.png", r"not an image: 6 bytes that begin with b'\\x89PNG"),
    ],
)
def test_file_of_another_origin_is_described(name: str, what: str) -> None:
    """The error says what the file is, by its content."""
    with pytest.raises(ImageMetadataError, match=f"^this is {what}"):
        read_metadata((UPLOADS / name).read_bytes())


def test_image_cut_in_its_header_is_called_damaged() -> None:
    with pytest.raises(
        ImageMetadataError, match="a damaged or unsupported image/png file of 20 bytes"
    ):
        read_metadata(render(APPLE)[:20])


@pytest.mark.parametrize("text", ["not JSON", "[1]", '{"generator": "another"}'])
def test_metadata_of_another_program_is_rejected(text: str) -> None:
    """The PNG keyword alone is not enough."""
    file, chunks = BytesIO(), PngImagePlugin.PngInfo()
    chunks.add_text("mockhub", text)
    Image.new("L", (3, 2)).save(file, "PNG", pnginfo=chunks)
    with pytest.raises(
        ImageMetadataError, match="a PNG image of 3x2 with metadata of another origin"
    ):
        read_metadata(file.getvalue())


def test_header_of_a_huge_image_is_rejected() -> None:
    """A header that claims 100,000 pixels a side raises the same error, without a warning."""
    header = b"IHDR" + (100_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    checked = header + zlib.crc32(header).to_bytes(4, "big")
    with pytest.raises(ImageMetadataError, match="a damaged or unsupported image/png"):
        read_metadata(b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + checked)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("two\n lines\x00\t and", "two lines and"),
        ("एक लाल सेब, a red apple।", "एक लाल सेब, a red apple।"),
        ("क्\u200dष\u200d र", "क्\u200dष र"),
        ("एक 雪 सेब", "एक Xue सेब"),
        ("Crème brûlée", "Creme brulee"),
        ("Красное яблоко", "Krasnoe yabloko"),
        ("sun 🌅", "sun :sunrise:"),
        ("lone \ud800 half", "lone half"),
        ("\u200b\x07", "\u00b7"),
    ],
)
def test_caption_is_transliterated(prompt: str, expected: str) -> None:
    """A caption has only letters of the font, on one line, and is never empty."""
    assert captions.transliterate(prompt) == expected


def test_devanagari_is_transliterated_if_pillow_cannot_join_its_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(captions, "draws_devanagari", lambda: False)
    assert captions.transliterate("एक लाल सेब") == "ek lal seb"


def test_letters_of_devanagari_are_syllables() -> None:
    """Consonants and marks that depend on each other are drawn together, as one letter."""
    assert captions.split_letters("क्षत्रि लोमड़ी ok") == [
        "क्ष",
        "त्रि",
        " ",
        "लो",
        "म",
        "ड़ी",
        " ",
        "o",
        "k",
    ]
    joined = captions.glyph("क्ष", 40)[1]
    assert joined < captions.glyph("क", 40)[1] + captions.glyph("ष", 40)[1]


@given(text=st.text(max_size=80))
@example(text="".join(map(chr, range(0x900, 0xB00))))  # Devanagari, Bengali and others
@settings(max_examples=150, deadline=None)
def test_caption_has_only_glyphs_of_the_fonts(text: str) -> None:
    for letter in captions.split_letters(captions.transliterate(text)):
        font = captions.font_of(letter, 30).font_variant(layout_engine=ImageFont.Layout.BASIC)
        for character in letter:
            assert bytes(font.getmask(character)) != bytes(font.getmask("\uffff")), (text, letter)


@given(text=st.text("abc mW.", min_size=1, max_size=200), max_width=st.integers(60, 400))
@settings(max_examples=60, deadline=None)
def test_caption_is_wrapped(text: str, max_width: int) -> None:
    """No line is too wide, and no letter is lost."""
    lines = list(captions.wrap(captions.transliterate(text), 12, max_width))
    assert max(captions.text_width(line, 12) for line in lines) <= max_width
    assert "".join(lines).replace(" ", "") == captions.transliterate(text).replace(" ", "")


def test_caption_is_drawn_if_there_is_room() -> None:
    """An image of 256 pixels a side has a caption, one of 16 pixels has none."""
    for side, shown in ((16, False), (256, True), (1024, True)):
        image = Image.new("L", (side, side), 128)
        captions.draw_caption(image, "words", f"{side}x{side}")
        assert (image.getextrema() != (128, 128)) == shown


@given(
    seed=st.integers(-(2**63), 2**63),
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    index=st.integers(0, 12),
    prompt=st.text(st.characters(), max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_every_spec_is_rendered(
    seed: int, width: int, height: int, index: int, prompt: str
) -> None:
    """Prompts may have lone surrogates."""
    spec = replace(
        APPLE, seed=seed, width=width, height=height, index=index, count=13, prompt=prompt
    )
    assert open_image(render(spec)).size == (width, height)


def test_palettes_go_from_light_to_dark() -> None:
    """Each palette has 256 colors and enough contrast for a legible caption."""
    for index in range(palettes.PALETTE_COUNT):
        colors = palettes.palette(index)
        assert len(colors) == 768
        assert sum(colors[:3]) - sum(colors[-3:]) > 400


def test_cache_renders_an_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`peek` never renders."""
    cache = ImageCache()
    assert cache.peek(APPLE) is None
    first = cache.get(APPLE)
    monkeypatch.setattr("mockhub.images.renderer.render", None)
    assert cache.get(replace(APPLE)) is first
    assert cache.peek(APPLE) is first


def test_cache_evicts_the_least_recently_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockhub.images.renderer.render", lambda spec: bytes(spec.width))
    first, second, third = (replace(APPLE, width=40, index=i) for i in range(3))
    cache = ImageCache(max_bytes=100)
    for spec in (first, second, first, third):
        cache.get(spec)
    assert (cache.size_bytes, len(cache)) == (80, 2)
    assert [cache.peek(p) is not None for p in (first, second, third)] == [True, False, True]


def test_cache_does_not_keep_an_image_above_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such an image evicts nothing."""
    monkeypatch.setattr("mockhub.images.renderer.render", lambda spec: bytes(spec.width))
    cache = ImageCache(max_bytes=100)
    cache.get(replace(APPLE, width=60))
    assert len(cache.get(replace(APPLE, width=101))) == 101
    assert (cache.size_bytes, len(cache)) == (60, 1)


def test_images_do_not_depend_on_concurrent_rendering() -> None:
    """Images that several threads render at once are those of a single thread."""
    specs = [replace(APPLE, index=i % 6, prompt=f"number {i // 6}") for i in range(18)]
    expected = [render(spec) for spec in specs]
    captions.glyph.cache_clear()
    palettes.palette.cache_clear()
    cache, start = ImageCache(max_bytes=sum(map(len, expected)) // 2), Barrier(6)

    def work(_: int) -> list[bytes]:
        start.wait(10)
        return [cache.get(spec) for spec in specs]

    with ThreadPoolExecutor(6) as pool:
        for actual in pool.map(work, range(6)):
            assert actual == expected
    cached = [cache.peek(spec) for spec in specs]
    assert sum(len(data) for data in cached if data) == cache.size_bytes <= cache.max_bytes


def test_application_is_imported_without_pillow() -> None:
    """Pillow is slow to import."""
    program = "import sys, json, mockhub.web.app; print(json.dumps('PIL' in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) is False
