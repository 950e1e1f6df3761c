"""Captions: the words on a picture, in the one font that comes with Pillow.

That font draws Latin letters only; other scripts are spelled in them, so that a Hindi prompt is
read and not guessed from empty boxes. It has whole-pixel widths and no kerning, so a line is its
letters side by side, and each letter is rendered once for all captions of a size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

_READ = 600  # characters of a prompt that are looked at; the rest never fits
_LINES = 3
_SMALLEST = 9  # pixels; below it letters are not legible
_AGREED = 25  # pixels from which on all releases of FreeType draw the same letters
_FEWEST = 9  # letters that a line must have room for
_INK, _FAINT, _PANEL = 2, 62, 255
_VEIL = 208  # of 255: how much of the panel's tone covers what lies below
_ELLIPSIS = "\u2026"
_LOST = "\u00b7"  # for a prompt of which nothing can be spelled


def spell(text: str) -> str:
    """*text* in letters that the font has, on one line; what no reader would see is left out."""
    text = text[:_READ]
    if not text.isascii():
        from anyascii import anyascii  # only now: its tables are found by slow imports

        text = anyascii(text)
    return " ".join(re.sub(r"[\x00-\x20\x7f]+", " ", text).split()) or _LOST


def write(sheet: Image.Image, prompt: str, facts: str) -> None:
    """Write *prompt*, shortened, and *facts* on a panel, if *sheet* has room for them."""
    width, height = sheet.size
    short = min(sheet.size)
    size = max(short * 28 // 1024, _SMALLEST + short // 128)
    room = min(width - 4 * size, size * 30)
    if height < size * 7 or room < _width("n" * _FEWEST, size) or room < _width(facts, size):
        return
    most = max(1, min(_LINES, height // (5 * size)))
    lines = [*_shorten(wrap(spell(prompt), size, room), most, size, room), facts]
    step = size * 21 // 16
    right = 3 * size + max(_width(line, size) for line in lines)
    top = height - size * 9 // 4 - step * len(lines)
    _panel(sheet, (size, top, right, height - size), size * 5 // 8)
    for number, line in enumerate(lines):
        tone = _INK if number < len(lines) - 1 else _FAINT
        _line(sheet, line, (2 * size, top + size * 5 // 8 + number * step), size, tone)


def wrap(text: str, size: int, room: int) -> Iterator[str]:
    """The lines of *text*, none wider than *room*; a longer word is cut."""
    line, used = "", 0
    space = _width(" ", size)
    for word in _pieces(text, size, room):
        wide = _width(word, size)
        if line and used + space + wide <= room:
            line, used = f"{line} {word}", used + space + wide
            continue
        if line:
            yield line
        line, used = word, wide
    yield line


def _pieces(text: str, size: int, room: int) -> Iterator[str]:
    for word in text.split(" "):
        start = used = 0
        for place, letter in enumerate(word):
            wide = _width(letter, size)
            if used + wide > room:
                yield word[start:place]
                start, used = place, 0
            used += wide
        yield word[start:]


def _shorten(lines: Iterator[str], most: int, size: int, room: int) -> list[str]:
    kept = [line for _, line in zip(range(most), lines, strict=False)]
    if next(lines, None) is not None:
        last = kept[-1]
        while _width(last + _ELLIPSIS, size) > room:
            last = last[:-1]
        kept[-1] = last.rstrip(" ,.;:-") + _ELLIPSIS
    return kept


def _panel(sheet: Image.Image, box: tuple[int, int, int, int], radius: int) -> None:
    right, bottom = box[2] - box[0], box[3] - box[1]
    veil = Image.new("L", (right, bottom))
    ImageDraw.Draw(veil).rounded_rectangle((0, 0, right - 1, bottom - 1), radius, fill=_VEIL)
    sheet.paste(_PANEL, box, veil)


def _line(sheet: Image.Image, text: str, place: tuple[int, int], size: int, tone: int) -> None:
    pen, (x, y) = ImageDraw.Draw(sheet), place
    for letter in text:
        mask, wide = _letter(letter, size)
        pen.bitmap((x - size // 4, y), mask, tone)
        x += wide


def _width(text: str, size: int) -> int:
    return sum(_letter(letter, size)[1] for letter in text)


@lru_cache(maxsize=4096)
def _letter(letter: str, size: int) -> tuple[Image.Image, int]:
    """A letter with some margin, and how far the next one is from it.

    A small one is a large one made smaller: FreeType's releases disagree on small letters alone.
    """
    factor = -(-_AGREED // size) if size < _AGREED else 1
    font = _font(size * factor)
    wide = (int(font.getlength(letter)) + factor // 2) // factor
    mask = Image.new("L", ((wide + size // 2) * factor, size * factor * 3 // 2))
    ImageDraw.Draw(mask).text((size // 4 * factor, 0), letter, 255, font)
    return mask.reduce(factor), wide


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
