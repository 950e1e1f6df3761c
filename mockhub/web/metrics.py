"""Metrics: counted in plain numbers as visits end, made into Prometheus text when asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mockhub.web.visit import Visit
from mockhub.world.generations import STATES
from mockhub.world.journal import Met
from mockhub.world.ledger import KINDS, Kind
from mockhub.world.store import Store

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Upper bounds of the latency buckets, in milliseconds.
BUCKETS = (0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000, 10_000, 100_000, 1_000_000)

_CREDITS: dict[Kind, str] = {
    "grant": "granted",
    "charge": "charged",
    "refund": "refunded",
    "expiry": "expired",
}


class Cell:
    """Visits that met the same: how many took as long as each bucket says, and their time."""

    __slots__ = ("milliseconds", "slots")

    def __init__(self) -> None:
        self.slots = [0] * (len(BUCKETS) + 1)
        self.milliseconds = 0.0


class Tally:
    """What is counted of every visit."""

    def __init__(self) -> None:
        self.cells: defaultdict[Met, Cell] = defaultdict(Cell)

    def count(self, visit: Visit) -> None:
        """Count a visit that is over."""
        cell, milliseconds = self.cells[visit.met], visit.milliseconds
        cell.slots[bisect_left(BUCKETS, milliseconds)] += 1
        cell.milliseconds += milliseconds


def expose(store: Store, tally: Tally) -> tuple[str, str]:
    """The media type and the text of the exposition."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(store, tally))
    return CONTENT_TYPE_LATEST, generate_latest(registry).decode()


class _Collector:
    def __init__(self, store: Store, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        yield self._latencies()
        yield from self._credits()
        yield self._generations()
        yield self._hubs()

    def _requests(self) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(
            "mockhub_requests",
            "Requests of the public API; status 0 is an answer that never came.",
            labels=["operation", "status"],
        )
        counts: Counter[tuple[str | None, int]] = Counter()
        for (operation, status, *_), cell in self._tally.cells.items():
            counts[operation, status] += sum(cell.slots)
        for (operation, status), count in counts.items():
            family.add_metric([operation or "none", str(status)], count)
        return family

    def _latencies(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "mockhub_request_seconds",
            "From a request's headers to the end of its answer.",
            labels=["operation"],
        )
        bounds = [*(f"{bound / 1000:g}" for bound in BUCKETS), "+Inf"]
        for operation in dict.fromkeys(operation for operation, *_ in self._tally.cells):
            cells = [cell for (name, *_), cell in self._tally.cells.items() if name == operation]
            slots = map(sum, zip(*(cell.slots for cell in cells), strict=True))
            buckets: list[Any] = list(zip(bounds, accumulate(slots), strict=True))
            seconds = sum(cell.milliseconds for cell in cells) / 1000
            family.add_metric([operation or "none"], buckets, seconds)
        return family

    def _credits(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        moved = Counter(self._store.past)
        for hub in self._store:
            moved.update(hub.moved())
        for kind in KINDS:
            name, credits = _CREDITS[kind], abs(moved[kind])
            yield CounterMetricFamily(
                f"mockhub_credits_{name}", f"Credits {name}, in all hubs.", credits
            )

    def _generations(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(
            "mockhub_generations", "Generations that the hubs remember.", labels=["state"]
        )
        found: Counter[str] = Counter(dict.fromkeys(STATES, 0))
        for hub in self._store:
            now = hub.settle()
            found.update(one.status_at(now) for one in hub.generations.values())
        for state, count in found.items():
            family.add_metric([state], count)
        return family

    def _hubs(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        hubs = sum(1 for _ in self._store)
        return GaugeMetricFamily("mockhub_hubs", "Hubs that the server holds.", hubs)
