"""The canvas that scenes are painted on, in greys, and the dice that place their parts.

Integers only, so every machine agrees. Large shapes of one tone and rows of one tone are quick to
paint and to compress. Edges are softened by a rim in the tones between, at a hundredth of the
price of supersampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import shake_256

from PIL import Image, ImageDraw

UNIT = 1 << 10  # one, in the fixed-point numbers of this file

_STEPS = 4  # tones of a rim
_CORNER = 16  # pixels from one corner of a smooth line to the next
_CORNERS = 160  # at most


class Dice:
    """A seeded row of numbers."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._used = 0
        self._stock: list[int] = []

    def between(self, low: int, high: int) -> int:
        """The next number, from *low* to *high*, both included."""
        if not self._stock:
            data = shake_256(b"%d " % self._used + self._seed).digest(1024)
            self._stock = [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]
            self._used += 1
        return low + self._stock.pop() * (high - low + 1) // 65536


class Canvas:
    """A picture in the making; places and lengths are in `UNIT` parts of its shorter side."""

    def __init__(self, width: int, height: int) -> None:
        self.size = self.width, self.height = width, height
        self.short = min(width, height)
        self.right = UNIT * width // self.short
        self.bottom = UNIT * height // self.short
        self.sheet = Image.new("L", self.size)
        self._pen = ImageDraw.Draw(self.sheet)

    def sky(self, tones: Sequence[int], top: int = 0, bottom: int | None = None) -> None:
        """Fill the rows from *top* to *bottom* with a gradient through *tones*."""
        first = top * self.short // UNIT
        end = self.height if bottom is None else bottom * self.short // UNIT
        row, spans = 0, list(zip(tones, tones[1:], strict=False))
        for number, (start, stop) in enumerate(spans):
            steps = max(1, abs(stop - start))
            for step in range(steps):
                done = number * steps + step + 1
                until = (end - first) * done // (len(spans) * steps)
                box = (0, first + row, self.width, first + until)
                self._pen.rectangle(box, fill=start + (stop - start) * step // steps)
                row = until

    def disc(self, x: int, y: int, radius: int, tone: int, behind: int) -> None:
        """A disc of a tone, on another one."""
        x, y, r = (value * self.short // UNIT for value in (x, y, radius))
        box = (x - r, y - r, x + r, y + r)
        self._pen.ellipse(box, fill=tone, outline=(tone + behind) // 2)

    def bar(self, left: int, right: int, y: int, thick: int, tone: int) -> None:
        """A lying bar with round ends."""
        left, right, y, r = (value * self.short // UNIT for value in (left, right, y, thick))
        self._pen.rounded_rectangle((left - r, y - r, right + r, y + r), r, fill=tone)

    def smooth(self, points: Sequence[int]) -> list[int]:
        """A line through *points* that levels out at each of them."""
        spans = len(points) - 1
        eased = _eased(max(2, min(self.width // _CORNER, _CORNERS) // spans))
        line = [
            low + (high - low) * part // UNIT
            for low, high in zip(points, points[1:], strict=False)
            for part in eased
        ]
        return [*line, points[-1]]

    def ridge(self, heights: Sequence[int], tone: int, behind: int) -> None:
        """Fill all that lies below a line, given by its heights at even distances."""
        quarters = [height * self.short * _STEPS // UNIT for height in heights]
        last = len(heights) - 1
        places = [self.width * i // last for i in range(last + 1)]
        for step in range(_STEPS - 1, 0, -1):
            rim = [(x, (y - step) // _STEPS) for x, y in zip(places, quarters, strict=True)]
            self._pen.line(rim, fill=behind + (tone - behind) * (_STEPS - step) // _STEPS)
        line = [(x, y // _STEPS) for x, y in zip(places, quarters, strict=True)]
        # A polygon costs most where it is high: below the line's lowest point a box will do.
        low = min(max(y for _, y in line), self.height)
        self._pen.polygon([*line, (self.width, low), (0, low)], fill=tone)
        self._pen.rectangle((0, low, self.width, self.height), fill=tone)


@cache
def _eased(steps: int) -> tuple[int, ...]:
    """The way from 0 to `UNIT` in so many steps, slow at both ends."""
    return tuple(UNIT * i * i * (3 * steps - 2 * i) // steps**3 for i in range(steps))
