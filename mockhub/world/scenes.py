"""Scenes: what the pictures show."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.world.canvas import UNIT, Canvas, Dice

_MANY = 12  # hills of the widest land


def jagged(dice: Dice, start: int, end: int, rough: int, depth: int) -> list[int]:
    """A mountain line: the middle of each stretch is moved, by less the shorter it is."""
    line = [start, end]
    for _ in range(depth):
        finer = [line[0]]
        for low, high in zip(line, line[1:], strict=False):
            finer += [(low + high) // 2 + dice.between(-rough, rough), high]
        line, rough = finer, rough * 9 // 16
    return line


def _dunes(canvas: Canvas, dice: Dice) -> None:
    """Rolling land under a sun, the nearer the darker."""
    _daylight(canvas, dice)
    layers = dice.between(4, 6)
    top, behind = canvas.bottom * dice.between(46, 56) // 100, 84
    for layer in range(layers):
        base = top + (canvas.bottom - top) * layer * (layer + 3) // (layers * (layers + 2))
        swing = canvas.bottom // 16
        count = 3 + min(canvas.right // UNIT, _MANY)
        points = [base + dice.between(-swing, swing) for _ in range(count)]
        tone = 100 + 130 * layer // (layers - 1)
        canvas.ridge(canvas.smooth(points), tone, behind)
        behind = tone


def _mountains(canvas: Canvas, dice: Dice) -> None:
    """Peaks in haze."""
    _daylight(canvas, dice)
    layers = dice.between(4, 6)
    top, behind = canvas.bottom * dice.between(42, 52) // 100, 80
    for layer in range(layers):
        base = top + (canvas.bottom - top) * layer // layers
        swing = UNIT * (layers - layer + 2) // (layers * 7)
        left, right = (base + dice.between(-swing, swing) for _ in range(2))
        tone = 92 + 142 * layer // (layers - 1)
        canvas.ridge(jagged(dice, left, right, swing, 7), tone, behind)
        behind = tone


def _daylight(canvas: Canvas, dice: Dice) -> None:
    """A sky that is brightest at the horizon, and a sun in rings of glow."""
    canvas.sky((dice.between(78, 100), dice.between(40, 56), dice.between(14, 22)))
    x = canvas.right * dice.between(20, 80) // 100
    y = canvas.bottom * dice.between(22, 44) // 100
    radius = UNIT * dice.between(8, 15) // 100
    _sun(canvas, x, y, radius)


def _sun(canvas: Canvas, x: int, y: int, radius: int) -> None:
    behind = 58
    for size, tone in ((20, 50), (16, 43), (12, 35), (8, 0)):
        canvas.disc(x, y, radius * size // 8, tone, behind)
        behind = tone


def _sea(canvas: Canvas, dice: Dice) -> None:
    """The sun low over water, and its path upon it."""
    horizon = canvas.bottom * dice.between(50, 60) // 100
    canvas.sky((130, 78, 30, 18), 0, horizon)
    x = canvas.right * dice.between(28, 72) // 100
    radius = UNIT * dice.between(13, 19) // 100
    y = horizon - radius * dice.between(0, 12) // 10
    _sun(canvas, x, y, radius)
    for _ in range(dice.between(3, 6)):
        left = dice.between(-UNIT // 4, canvas.right)
        height = horizon * dice.between(10, 75) // 100
        long = UNIT * dice.between(10, 36) // 100
        thick = UNIT * dice.between(5, 14) // 1000
        canvas.bar(left, left + long, height, thick, dice.between(36, 70))
    canvas.sky((120, 170, 215, 240), horizon)
    deep = canvas.bottom - horizon
    for row in range(1, 15):
        height = horizon + deep * row * (row + 6) // 320
        wide = radius * dice.between(30, 110) * (24 - row) // 2400
        shift = radius * dice.between(-20, 20) // 100
        left, right, thick = x + shift - wide, x + shift + wide, deep * (row + 3) // 1400
        canvas.bar(left, right, height, thick, 12 + row * 8)


def _waves(canvas: Canvas, dice: Dice) -> None:
    """Ribbons from edge to edge."""
    canvas.sky((6, 30))
    layers = dice.between(8, 11)
    count = 4 + min(canvas.right // UNIT, _MANY)
    lean = dice.between(-UNIT // 4, UNIT // 4)
    swing, behind = canvas.bottom // (layers + 3), 18
    points = [dice.between(-swing, swing) for _ in range(count)]
    for layer in range(layers):
        base = canvas.bottom * (layer + 1) // (layers + 1) - lean // 2
        points = [(2 * p + dice.between(-swing, swing)) // 2 for p in points]
        line = [base + p + lean * i // count for i, p in enumerate(points)]
        tone = 24 + 216 * layer // (layers - 1)
        canvas.ridge(canvas.smooth(line), tone, behind)
        behind = tone


def _orbs(canvas: Canvas, dice: Dice) -> None:
    """Worlds of nested discs over one another."""
    dark = dice.between(0, 1)
    sky = (230, 190) if dark else (10, 44)
    canvas.sky(sky)
    for number in range(dice.between(5, 8)):
        x, y = dice.between(0, canvas.right), dice.between(0, canvas.bottom)
        radius = UNIT * dice.between(6, 40 - number * 3) // 100
        first, last = dice.between(150, 225), dice.between(10, 90)
        dx, dy = dice.between(-radius, radius) // 12, dice.between(-radius, radius) // 12
        behind = sum(sky) // 2
        for ring in range(7):
            tone = first + (last - first) * ring // 6
            size = radius * (7 - ring) // 7
            canvas.disc(x + dx * ring, y + dy * ring, size, tone, behind)
            behind = tone


def _arches(canvas: Canvas, dice: Dice) -> None:
    """Rainbow arches that rise from below, the nearer the smaller, and a small sun."""
    canvas.sky((40, 8))
    x, y = (side * dice.between(15, 85) // 100 for side in (canvas.right, canvas.bottom // 3))
    canvas.disc(x, y, UNIT * dice.between(5, 9) // 100, 64, 32)
    count = dice.between(3, 5)
    shift = dice.between(0, count - 1)
    for number in range(count):
        place = (number * 2 + shift) % count
        x = canvas.right * (place * 100 + dice.between(10, 90)) // (count * 100)
        radius = (canvas.right + canvas.bottom) * (60 - number * 9 + dice.between(-5, 5)) // 200
        bands = dice.between(5, 9)
        first = behind = 30 + number * 12
        for band in range(bands):
            tone = first + (225 - first) * band // (bands - 1)
            size = radius * (bands * 2 - band) // (bands * 2)
            canvas.disc(x, canvas.bottom, size, tone, behind)
            behind = tone


SCENES: tuple[Callable[[Canvas, Dice], None], ...] = (
    _dunes,
    _orbs,
    _sea,
    _waves,
    _mountains,
    _arches,
)
