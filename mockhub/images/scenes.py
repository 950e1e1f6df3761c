"""The scenes that images show."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.images.canvas import UNIT, Canvas, SeededRandom

_MAX_HILLS = 12  # of a wide image


def jagged_line(rng: SeededRandom, start: int, end: int, roughness: int, depth: int) -> list[int]:
    """Return heights by midpoint displacement, smaller in each of *depth* rounds."""
    line = [start, end]
    for _ in range(depth):
        finer = [line[0]]
        for low, high in zip(line, line[1:], strict=False):
            finer += [(low + high) // 2 + rng.randint(-roughness, roughness), high]
        line, roughness = finer, roughness * 9 // 16
    return line


def _dunes(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw hills under a sun."""
    _daylight(canvas, rng)
    layers = rng.randint(4, 6)
    top, background = canvas.bottom * rng.randint(46, 56) // 100, 84
    for layer in range(layers):
        base = top + (canvas.bottom - top) * layer * (layer + 3) // (layers * (layers + 2))
        amplitude = canvas.bottom // 16
        count = 3 + min(canvas.right // UNIT, _MAX_HILLS)
        points = [base + rng.randint(-amplitude, amplitude) for _ in range(count)]
        tone = 100 + 130 * layer // (layers - 1)
        canvas.fill_below(canvas.smooth_line(points), tone, background)
        background = tone


def _mountains(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw peaks in haze."""
    _daylight(canvas, rng)
    layers = rng.randint(4, 6)
    top, background = canvas.bottom * rng.randint(42, 52) // 100, 80
    for layer in range(layers):
        base = top + (canvas.bottom - top) * layer // layers
        amplitude = UNIT * (layers - layer + 2) // (layers * 7)
        left, right = (base + rng.randint(-amplitude, amplitude) for _ in range(2))
        tone = 92 + 142 * layer // (layers - 1)
        canvas.fill_below(jagged_line(rng, left, right, amplitude, 7), tone, background)
        background = tone


def _daylight(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw a sky that is brightest at the horizon, and a sun with a halo."""
    canvas.fill_gradient((rng.randint(78, 100), rng.randint(40, 56), rng.randint(14, 22)))
    x = canvas.right * rng.randint(20, 80) // 100
    y = canvas.bottom * rng.randint(22, 44) // 100
    radius = UNIT * rng.randint(8, 15) // 100
    _sun(canvas, x, y, radius)


def _sun(canvas: Canvas, x: int, y: int, radius: int) -> None:
    background = 58
    for size, tone in ((20, 50), (16, 43), (12, 35), (8, 0)):
        canvas.draw_disc(x, y, radius * size // 8, tone, background)
        background = tone


def _sea(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw a low sun over water, with its reflection."""
    horizon = canvas.bottom * rng.randint(50, 60) // 100
    canvas.fill_gradient((130, 78, 30, 18), 0, horizon)
    x = canvas.right * rng.randint(28, 72) // 100
    radius = UNIT * rng.randint(13, 19) // 100
    y = horizon - radius * rng.randint(0, 12) // 10
    _sun(canvas, x, y, radius)
    for _ in range(rng.randint(3, 6)):
        left = rng.randint(-UNIT // 4, canvas.right)
        height = horizon * rng.randint(10, 75) // 100
        length = UNIT * rng.randint(10, 36) // 100
        thickness = UNIT * rng.randint(5, 14) // 1000
        canvas.draw_bar(left, left + length, height, thickness, rng.randint(36, 70))
    canvas.fill_gradient((120, 170, 215, 240), horizon)
    depth = canvas.bottom - horizon
    for row in range(1, 15):
        height = horizon + depth * row * (row + 6) // 320
        half_width = radius * rng.randint(30, 110) * (24 - row) // 2400
        shift = radius * rng.randint(-20, 20) // 100
        left, right, thickness = (
            x + shift - half_width,
            x + shift + half_width,
            depth * (row + 3) // 1400,
        )
        canvas.draw_bar(left, right, height, thickness, 12 + row * 8)


def _waves(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw ribbons from edge to edge."""
    canvas.fill_gradient((6, 30))
    layers = rng.randint(8, 11)
    count = 4 + min(canvas.right // UNIT, _MAX_HILLS)
    slope = rng.randint(-UNIT // 4, UNIT // 4)
    amplitude, background = canvas.bottom // (layers + 3), 18
    points = [rng.randint(-amplitude, amplitude) for _ in range(count)]
    for layer in range(layers):
        base = canvas.bottom * (layer + 1) // (layers + 1) - slope // 2
        points = [(2 * p + rng.randint(-amplitude, amplitude)) // 2 for p in points]
        line = [base + p + slope * i // count for i, p in enumerate(points)]
        tone = 24 + 216 * layer // (layers - 1)
        canvas.fill_below(canvas.smooth_line(line), tone, background)
        background = tone


def _orbs(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw overlapping spheres."""
    dark = rng.randint(0, 1)
    sky = (230, 190) if dark else (10, 44)
    canvas.fill_gradient(sky)
    for number in range(rng.randint(5, 8)):
        x, y = rng.randint(0, canvas.right), rng.randint(0, canvas.bottom)
        radius = UNIT * rng.randint(6, 40 - number * 3) // 100
        first, last = rng.randint(150, 225), rng.randint(10, 90)
        dx, dy = rng.randint(-radius, radius) // 12, rng.randint(-radius, radius) // 12
        background = sum(sky) // 2
        for ring in range(7):
            tone = first + (last - first) * ring // 6
            size = radius * (7 - ring) // 7
            canvas.draw_disc(x + dx * ring, y + dy * ring, size, tone, background)
            background = tone


def _arches(canvas: Canvas, rng: SeededRandom) -> None:
    """Draw arches that rise from the bottom edge, and a small sun."""
    canvas.fill_gradient((40, 8))
    x, y = (side * rng.randint(15, 85) // 100 for side in (canvas.right, canvas.bottom // 3))
    canvas.draw_disc(x, y, UNIT * rng.randint(5, 9) // 100, 64, 32)
    count = rng.randint(3, 5)
    shift = rng.randint(0, count - 1)
    for number in range(count):
        slot = (number * 2 + shift) % count
        x = canvas.right * (slot * 100 + rng.randint(10, 90)) // (count * 100)
        radius = (canvas.right + canvas.bottom) * (60 - number * 9 + rng.randint(-5, 5)) // 200
        bands = rng.randint(5, 9)
        first = background = 30 + number * 12
        for band in range(bands):
            tone = first + (225 - first) * band // (bands - 1)
            size = radius * (bands * 2 - band) // (bands * 2)
            canvas.draw_disc(x, canvas.bottom, size, tone, background)
            background = tone


SCENES: tuple[Callable[[Canvas, SeededRandom], None], ...] = (
    _dunes,
    _orbs,
    _sea,
    _waves,
    _mountains,
    _arches,
)
