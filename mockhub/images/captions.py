"""Draw the prompt as a caption: Latin in the default font of Pillow, Devanagari in Lohit.

Other scripts are transliterated, since they would be rows of empty boxes. Both fonts are drawn
without kerning, so a line is drawn letter by letter, and the glyphs are cached by size. A letter
of Devanagari is a whole syllable, whose parts depend on each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

_MAX_PROMPT_CHARS = 600  # the rest of a prompt never fits
_MAX_LINES = 3
_MIN_FONT_SIZE = 9  # the smallest legible one, in pixels
_MIN_STABLE_FONT_SIZE = 25  # the smallest one that all releases of FreeType draw alike
_MIN_LINE_LETTERS = 9  # that a line must have room for
_PROMPT_TONE, _DETAILS_TONE, _PANEL_TONE = 2, 62, 255
_PANEL_OPACITY = 208  # of 255
_ELLIPSIS = "\u2026"
_UNPRINTABLE = "\u00b7"  # the caption of a prompt without printable characters
_LATIN_SYMBOLS = _ELLIPSIS + _UNPRINTABLE  # that the default font has
_DEVANAGARI_FONT = Path(__file__).with_name("fonts") / "Lohit-Devanagari.ttf"
_DEVANAGARI = "\u0900-\u097f"
_JOINERS = "\u200c\u200d"
_OTHER_SCRIPTS = re.compile(rf"[^\x00-\x7f{_DEVANAGARI}]+")
_OTHER_THAN_ASCII = re.compile(r"[^\x00-\x7f]+")
_STRAY_JOINER = re.compile(rf"(?<!\u094d)[{_JOINERS}]")
_LETTER = re.compile(
    rf"""(?:[\u0915-\u0939\u0958-\u095f]\u093c?\u094d[{_JOINERS}]?)*  # joined consonants
         .[\u0900-\u0903\u093a-\u093c\u093e-\u094f\u0951-\u0957\u0962\u0963]*  # and marks
    """,
    re.VERBOSE | re.DOTALL,
)


def transliterate(text: str) -> str:
    """Convert *text* to one line of letters that the fonts have, without invisible characters."""
    text = text[:_MAX_PROMPT_CHARS]
    if not text.isascii():
        foreign = _OTHER_SCRIPTS if draws_devanagari() else _OTHER_THAN_ASCII
        text = foreign.sub(_to_ascii, text)
        text = _STRAY_JOINER.sub("", text)
    return " ".join(re.sub(r"[\x00-\x20\x7f]+", " ", text).split()) or _UNPRINTABLE


def _to_ascii(match: re.Match[str]) -> str:
    from anyascii import anyascii  # slow to import

    joiners = _JOINERS if draws_devanagari() else ""
    return "".join(letter if letter in joiners else anyascii(letter) for letter in match[0])


@cache
def draws_devanagari() -> bool:
    """Return whether Pillow can join the letters of a syllable; its wheels can."""
    return bool(features.check("raqm"))


def draw_caption(image: Image.Image, prompt: str, details: str) -> None:
    """Draw the truncated prompt and *details* on a panel, if *image* has room for them."""
    width, height = image.size
    shorter_side = min(image.size)
    size = max(shorter_side * 28 // 1024, _MIN_FONT_SIZE + shorter_side // 128)
    max_width = min(width - 4 * size, size * 30)
    if (
        height < size * 7
        or max_width < text_width("n" * _MIN_LINE_LETTERS, size)
        or max_width < text_width(details, size)
    ):
        return
    max_lines = max(1, min(_MAX_LINES, height // (5 * size)))
    lines = [
        *_truncate(wrap(transliterate(prompt), size, max_width), max_lines, size, max_width),
        details,
    ]
    line_height = size * 21 // 16
    right = 3 * size + max(text_width(line, size) for line in lines)
    top = height - size * 9 // 4 - line_height * len(lines)
    _draw_panel(image, (size, top, right, height - size), size * 5 // 8)
    for number, line in enumerate(lines):
        tone = _PROMPT_TONE if number < len(lines) - 1 else _DETAILS_TONE
        _draw_line(image, line, (2 * size, top + size * 5 // 8 + number * line_height), size, tone)


def wrap(text: str, size: int, max_width: int) -> Iterator[str]:
    """Yield the lines of *text*, at most *max_width* pixels wide; longer words are split."""
    line, line_width = "", 0
    space_width = text_width(" ", size)
    for word in _split_words(text, size, max_width):
        word_width = text_width(word, size)
        if line and line_width + space_width + word_width <= max_width:
            line, line_width = f"{line} {word}", line_width + space_width + word_width
            continue
        if line:
            yield line
        line, line_width = word, word_width
    yield line


def _split_words(text: str, size: int, max_width: int) -> Iterator[str]:
    for word in text.split(" "):
        start = used_width = 0
        for match in _LETTER.finditer(word):
            letter_width = glyph(match[0], size)[1]
            if used_width + letter_width > max_width:
                yield word[start : match.start()]
                start, used_width = match.start(), 0
            used_width += letter_width
        yield word[start:]


def _truncate(lines: Iterator[str], max_lines: int, size: int, max_width: int) -> list[str]:
    truncated = [line for _, line in zip(range(max_lines), lines, strict=False)]
    if next(lines, None) is not None:
        last = truncated[-1]
        while text_width(last + _ELLIPSIS, size) > max_width:
            last = "".join(split_letters(last)[:-1])
        truncated[-1] = last.rstrip(" ,.;:-") + _ELLIPSIS
    return truncated


def _draw_panel(image: Image.Image, box: tuple[int, int, int, int], radius: int) -> None:
    right, bottom = box[2] - box[0], box[3] - box[1]
    overlay = Image.new("L", (right, bottom))
    ImageDraw.Draw(overlay).rounded_rectangle(
        (0, 0, right - 1, bottom - 1), radius, fill=_PANEL_OPACITY
    )
    image.paste(_PANEL_TONE, box, overlay)


def _draw_line(
    image: Image.Image, text: str, position: tuple[int, int], size: int, tone: int
) -> None:
    draw, (x, y) = ImageDraw.Draw(image), position
    for letter in split_letters(text):
        mask, advance = glyph(letter, size)
        draw.bitmap((x - size // 4, y), mask, tone)
        x += advance


def text_width(text: str, size: int) -> int:
    return sum(glyph(letter, size)[1] for letter in split_letters(text))


@lru_cache(maxsize=4096)
def glyph(letter: str, size: int) -> tuple[Image.Image, int]:
    """Return the mask of a letter with a margin, and its advance width.

    A small letter is a scaled large one: releases of FreeType draw small letters differently.
    """
    factor = -(-_MIN_STABLE_FONT_SIZE // size) if size < _MIN_STABLE_FONT_SIZE else 1
    font = font_of(letter, size * factor)
    advance = (int(font.getlength(letter)) + factor // 2) // factor
    mask = Image.new("L", ((advance + size // 2) * factor, size * factor * 3 // 2))
    baseline = (size // 4 * factor, _font(size * factor).getmetrics()[0])
    ImageDraw.Draw(mask).text(baseline, letter, 255, font, anchor="ls")
    return mask.reduce(factor), advance


def split_letters(text: str) -> list[str]:
    return _LETTER.findall(text)


def font_of(letter: str, size: int) -> ImageFont.FreeTypeFont:
    is_latin = letter.isascii() or letter in _LATIN_SYMBOLS
    return _font(size) if is_latin else _devanagari(size)


@lru_cache(maxsize=64)
def _devanagari(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_DEVANAGARI_FONT, size)


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
