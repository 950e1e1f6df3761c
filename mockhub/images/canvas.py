"""A grayscale canvas and a seeded random generator for drawing scenes.

All arithmetic is on integers, so that every machine draws the same pixels. Shapes and rows of one
tone are fast to draw and compress well. Edges are smoothed by outlines in the tones between, which
costs a hundredth of supersampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import shake_256

from PIL import Image, ImageDraw

UNIT = 1 << 10  # 1.0 as a fixed-point number

_EDGE_STEPS = 4  # tones of a smoothed edge
_PIXELS_PER_POINT = 16  # between two points of a smooth line
_MAX_POINTS = 160


class SeededRandom:
    """A pseudo-random generator whose numbers are the same everywhere."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._blocks_used = 0
        self._buffer: list[int] = []

    def randint(self, low: int, high: int) -> int:
        """Return a number from *low* to *high*, both included."""
        if not self._buffer:
            data = shake_256(b"%d " % self._blocks_used + self._seed).digest(1024)
            self._buffer = [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]
            self._blocks_used += 1
        return low + self._buffer.pop() * (high - low + 1) // 65536


class Canvas:
    """A grayscale image; positions and lengths are in `UNIT` parts of its shorter side."""

    def __init__(self, width: int, height: int) -> None:
        self.size = self.width, self.height = width, height
        self.shorter_side = min(width, height)
        self.right = UNIT * width // self.shorter_side
        self.bottom = UNIT * height // self.shorter_side
        self.image = Image.new("L", self.size)
        self._draw = ImageDraw.Draw(self.image)

    def fill_gradient(self, tones: Sequence[int], top: int = 0, bottom: int | None = None) -> None:
        """Fill the rows from *top* to *bottom* with a gradient through *tones*."""
        first = top * self.shorter_side // UNIT
        end = self.height if bottom is None else bottom * self.shorter_side // UNIT
        row, spans = 0, list(zip(tones, tones[1:], strict=False))
        for number, (start, stop) in enumerate(spans):
            steps = max(1, abs(stop - start))
            for step in range(steps):
                done = number * steps + step + 1
                next_row = (end - first) * done // (len(spans) * steps)
                box = (0, first + row, self.width, first + next_row)
                self._draw.rectangle(box, fill=start + (stop - start) * step // steps)
                row = next_row

    def draw_disc(self, x: int, y: int, radius: int, tone: int, background: int) -> None:
        """Draw a disc whose edge blends into *background*."""
        x, y, r = (value * self.shorter_side // UNIT for value in (x, y, radius))
        box = (x - r, y - r, x + r, y + r)
        self._draw.ellipse(box, fill=tone, outline=(tone + background) // 2)

    def draw_bar(self, left: int, right: int, y: int, thickness: int, tone: int) -> None:
        """Draw a horizontal bar with round ends."""
        left, right, y, r = (
            value * self.shorter_side // UNIT for value in (left, right, y, thickness)
        )
        self._draw.rounded_rectangle((left - r, y - r, right + r, y + r), r, fill=tone)

    def smooth_line(self, points: Sequence[int]) -> list[int]:
        """Interpolate the heights *points* so that the line is level at each of them."""
        spans = len(points) - 1
        easing = _ease_in_out(max(2, min(self.width // _PIXELS_PER_POINT, _MAX_POINTS) // spans))
        line = [
            low + (high - low) * part // UNIT
            for low, high in zip(points, points[1:], strict=False)
            for part in easing
        ]
        return [*line, points[-1]]

    def fill_below(self, heights: Sequence[int], tone: int, background: int) -> None:
        """Fill the area below a line, given as heights at equal distances."""
        scaled_heights = [height * self.shorter_side * _EDGE_STEPS // UNIT for height in heights]
        last = len(heights) - 1
        xs = [self.width * i // last for i in range(last + 1)]
        for step in range(_EDGE_STEPS - 1, 0, -1):
            edge = [(x, (y - step) // _EDGE_STEPS) for x, y in zip(xs, scaled_heights, strict=True)]
            self._draw.line(
                edge, fill=background + (tone - background) * (_EDGE_STEPS - step) // _EDGE_STEPS
            )
        line = [(x, y // _EDGE_STEPS) for x, y in zip(xs, scaled_heights, strict=True)]
        # A rectangle is cheaper than a polygon below the lowest point of the line.
        low = min(max(y for _, y in line), self.height)
        self._draw.polygon([*line, (self.width, low), (0, low)], fill=tone)
        self._draw.rectangle((0, low, self.width, self.height), fill=tone)


@cache
def _ease_in_out(steps: int) -> tuple[int, ...]:
    """Return *steps* values from 0 towards `UNIT`, with small differences at both ends."""
    return tuple(UNIT * i * i * (3 * steps - 2 * i) // steps**3 for i in range(steps))
