"""Palettes of 256 colors, from light to dark.

Scenes are drawn in grayscale, 0 is light and 255 is dark, so that blended edges have a color of the
same palette.
"""

from __future__ import annotations

from functools import cache

_COLOR_STOPS = (
    "fff4dc ffcf94 f79072 c9576f 73366a 2b1a40",  # dusk
    "f6fbe9 bde9d1 66c4b5 2c8fa2 1f5479 15244a",  # lagoon
    "fdf8dc dfe9a0 97c575 4c9661 245f50 112e38",  # meadow
    "fff1ef fccbc9 ee92a4 c05b87 7a3b70 321c43",  # rose
    "f7fbff d0e5f5 94c0e6 5b8dc9 38589a 1a2655",  # glacier
    "fff7dc ffdb7d fba941 e06c2e 953a30 3c1929",  # saffron
    "fbf4ff e1cdf7 b89ce6 8568c2 53408c 241d4a",  # lilac
    "fdf1e4 f4cda8 de966b b66241 743a30 321a21",  # clay
    "f0fff2 acf0c9 52d0b0 308fa5 43518f 241f4c",  # aurora
    "f1fcff a8e4ec 48b6cf 2180b0 20508a 121f48",  # peacock
    "fff4e8 ffc5a6 ff8d7c d95f7f 7a4b8f 23305f",  # reef
    "fffae3 f4e194 c6b852 7e8f41 3d6242 1a2a2e",  # moss
    "eff6ff c9d4f3 a89fdd 9b69b1 743b74 321740",  # thistle
    "fff9ee edd9be caa787 98725a 604339 2a1c20",  # cocoa
    "fffbe6 ffe08a f6a45f b5766f 5a6b86 1d3350",  # harbour
    "f4f9f4 cfe3cd 9cc3b4 6b9aa3 456a86 22344f",  # mist
)

PALETTE_COUNT = len(_COLOR_STOPS)


@cache
def palette(index: int) -> bytes:
    """Return palette *index*, below `PALETTE_COUNT`: 256 times red, green, blue."""
    stops = [bytes.fromhex(stop) for stop in _COLOR_STOPS[index].split()]
    last = len(stops) - 1
    colors = bytearray()
    for tone in range(256):
        lower, remainder = divmod(tone * last, 255)
        low, high = stops[lower], stops[min(lower + 1, last)]
        colors += bytes(
            (a * (255 - remainder) + b * remainder) // 255 for a, b in zip(low, high, strict=True)
        )
    return bytes(colors)
