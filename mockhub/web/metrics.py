"""Count finished requests, and render the metrics in the Prometheus text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mockhub.domain.generations import STATUSES
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.ledger import ENTRY_KINDS, EntryKind
from mockhub.journal.exchange import CoverageKey
from mockhub.web.context import RequestContext

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# Upper bounds of the latency buckets, in milliseconds.
BUCKETS = (0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000, 10_000, 100_000, 1_000_000)

_CREDIT_METRICS: dict[EntryKind, str] = {
    "grant": "granted",
    "charge": "charged",
    "refund": "refunded",
    "expiry": "expired",
}


class HistogramCell:
    """The latencies of requests with the same operation, status, error code and state."""

    __slots__ = ("milliseconds", "bucket_counts")

    def __init__(self) -> None:
        self.bucket_counts = [0] * (len(BUCKETS) + 1)
        self.milliseconds = 0.0


class RequestMetrics:
    """The counts and latencies of all requests; `observe` is an observer of `PublicApi`."""

    def __init__(self) -> None:
        self.cells: defaultdict[CoverageKey, HistogramCell] = defaultdict(HistogramCell)

    def observe(self, context: RequestContext) -> None:
        cell, milliseconds = self.cells[context.coverage_key], context.milliseconds
        cell.bucket_counts[bisect_left(BUCKETS, milliseconds)] += 1
        cell.milliseconds += milliseconds


def render_metrics(hub_registry: HubRegistry, request_metrics: RequestMetrics) -> tuple[str, str]:
    """Return the content type and the text."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(hub_registry, request_metrics))
    return CONTENT_TYPE_LATEST, generate_latest(registry).decode()


class _Collector:
    def __init__(self, hub_registry: HubRegistry, request_metrics: RequestMetrics) -> None:
        self._hub_registry = hub_registry
        self._request_metrics = request_metrics

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
            "Requests of the public API; status 0 means that no response was sent.",
            labels=["operation", "status"],
        )
        counts: Counter[tuple[str | None, int]] = Counter()
        for (operation, status, *_), cell in self._request_metrics.cells.items():
            counts[operation, status] += sum(cell.bucket_counts)
        for (operation, status), count in counts.items():
            family.add_metric([operation or "none", str(status)], count)
        return family

    def _latencies(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "mockhub_request_seconds",
            "From the headers of a request to the end of its response.",
            labels=["operation"],
        )
        bounds = [*(f"{bound / 1000:g}" for bound in BUCKETS), "+Inf"]
        for operation in dict.fromkeys(operation for operation, *_ in self._request_metrics.cells):
            cells = [
                cell
                for (name, *_), cell in self._request_metrics.cells.items()
                if name == operation
            ]
            bucket_counts = map(sum, zip(*(cell.bucket_counts for cell in cells), strict=True))
            buckets: list[Any] = list(zip(bounds, accumulate(bucket_counts), strict=True))
            seconds = sum(cell.milliseconds for cell in cells) / 1000
            family.add_metric([operation or "none"], buckets, seconds)
        return family

    def _credits(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        totals = Counter(self._hub_registry.totals_of_deleted_hubs)
        for hub in self._hub_registry:
            totals.update(hub.credit_totals())
        for kind in ENTRY_KINDS:
            name, credits = _CREDIT_METRICS[kind], abs(totals[kind])
            yield CounterMetricFamily(
                f"mockhub_credits_{name}", f"Credits {name}, in all hubs.", credits
            )

    def _generations(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(
            "mockhub_generations", "Generations that the hubs keep.", labels=["state"]
        )
        counts: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
        for hub in self._hub_registry:
            now = hub.settle()
            counts.update(one.status_at(now) for one in hub.generations.values())
        for state, count in counts.items():
            family.add_metric([state], count)
        return family

    def _hubs(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        hubs = sum(1 for _ in self._hub_registry)
        return GaugeMetricFamily("mockhub_hubs", "Hubs of the server.", hubs)
