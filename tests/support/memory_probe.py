"""A server in a process of its own, and how much memory it may take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from hypothesis import HealthCheck, Phase, settings

from benchmarks.servers import Server, free_port, mockhub_command, running
from mockhub.journal.journal import MAX_BYTES

# The journal, which takes Python three times what it counts; heads that are remembered; the heap.
FULL = 3 * MAX_BYTES + 16 * 1024 * 1024
TORN = MAX_BYTES  # by which a heap may grow that nothing is added to
KEPT = 1300  # a kept generation with a short prompt

# Many examples for one server: no limit of time, nothing remembered, nothing told again smaller.
GENERATED = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def start_server() -> Iterator[Server]:
    """A server in the endless world, whose memory is its own."""
    with running(
        mockhub_command(port=(port := free_port())), port=port, ready_path="/api/v1/models"
    ) as one:
        yield one


class MemoryProbe:
    """What a server takes from here on; where the system does not tell, nothing is asked."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._first = server.rss()
        self._made = 0
        self._began = perf_counter()

    def add_generations(self, count: int) -> None:
        """Note that the server keeps so many generations more."""
        self._made += count

    @property
    def growth(self) -> int:
        """Bytes that it has taken."""
        now = self._server.rss()
        return now - self._first if now and self._first else 0

    def print_growth(self, what: str) -> None:
        """Leave the figures for who looks at them (`pytest -rP`)."""
        seconds = perf_counter() - self._began
        grown = f"{self.growth / 1e6:.1f} MB more, with {self._made:,} generations more"
        sys.stdout.write(f"{what}: {seconds:.0f} s, {grown}\n")

    def assert_bounded(self) -> None:
        """What it remembers of exchanges has bounds."""
        assert self.growth < FULL + KEPT * self._made, f"{self.growth / 1e6:.1f} MB"

    def assert_steady(self) -> None:
        """It remembered as much before as it may."""
        assert self.growth < TORN + KEPT * self._made, f"{self.growth / 1e6:.1f} MB"
