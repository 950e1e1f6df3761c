"""Runs a server in a new process and measures its memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from hypothesis import HealthCheck, Phase, settings

from benchmarks.servers import Server, free_port, mockhub_command, running
from mockhub.journal.journal import MAX_BYTES

# The journal, which takes three times the bytes that it counts; cached response heads; the heap.
MAX_GROWTH = 3 * MAX_BYTES + 16 * 1024 * 1024
MAX_FRAGMENTATION = MAX_BYTES  # growth of a heap to which nothing is added
BYTES_PER_GENERATION = 1300  # of a stored generation with a short prompt

# Many examples for one server: no deadline, no database, no shrinking.
GENERATED = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def start_server() -> Iterator[Server]:
    """Serve the endless scenario in a new process."""
    port = free_port()
    command = mockhub_command(port=port)
    with running(command, port=port, ready_path="/api/v1/models") as server:
        yield server


class MemoryProbe:
    """The growth of a server's memory from now on, where the system measures it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._initial = server.rss()
        self._generations = 0
        self._started = perf_counter()

    def add_generations(self, count: int) -> None:
        """Allow for *count* more stored generations."""
        self._generations += count

    @property
    def growth(self) -> int:
        """The growth in bytes."""
        now = self._server.rss()
        return now - self._initial if now and self._initial else 0

    def print_growth(self, cause: str) -> None:
        """Print the figures, which `pytest -rP` shows."""
        seconds = perf_counter() - self._started
        growth = f"{self.growth / 1e6:.1f} MB more, with {self._generations:,} generations more"
        sys.stdout.write(f"{cause}: {seconds:.0f} s, {growth}\n")

    def assert_bounded(self) -> None:
        """Assert that what the server stores of exchanges is bounded."""
        self._assert_at_most(MAX_GROWTH)

    def assert_steady(self) -> None:
        """Assert that a server whose journal is full grows no more."""
        self._assert_at_most(MAX_FRAGMENTATION)

    def _assert_at_most(self, bound: int) -> None:
        limit = bound + BYTES_PER_GENERATION * self._generations
        assert self.growth < limit, f"{self.growth / 1e6:.1f} MB"
