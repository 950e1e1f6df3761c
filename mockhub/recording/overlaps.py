"""Find the exchanges of a recording that were in progress at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from mockhub.recording.files import RecordedExchange


def find_overlaps(
    exchanges: Sequence[RecordedExchange],
) -> Mapping[Path, Sequence[RecordedExchange]]:
    """Return the exchanges that overlap each one, by its file."""
    overlaps: defaultdict[Path, list[RecordedExchange]] = defaultdict(list)
    running: list[RecordedExchange] = []
    for exchange in sorted(exchanges, key=lambda one: one.time):
        running = [one for one in running if exchange.time < one.time + one.seconds]
        for other in running:
            overlaps[exchange.path].append(other)
            overlaps[other.path].append(exchange)
        running.append(exchange)
    return overlaps
