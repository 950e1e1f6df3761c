"""The metrics endpoint for Prometheus: counters, gauges and latencies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mockhub.domain.provider import Provider, parse_outcome
from tests.support.live_server import POOR, LiveHub, serve_hub


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


def scrape(hub: LiveHub) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels."""
    response = hub.client.get("/_mockhub/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_operation_and_status(hub: LiveHub) -> None:
    """A request without a response has status 0, an unknown path has the operation none."""
    hub.generate({})
    hub.generate({}, key=POOR)
    with suppress(httpx.TransportError):
        hub.generate({"prompt": "[[reset]]"})
    hub.client.get("/api/v1/nothing")
    samples = scrape(hub)
    name = "mockhub_requests_total"
    assert [samples[name, "create_generation", status] for status in ("200", "402", "0")] == [
        1,
        1,
        1,
    ]
    assert samples[name, "none", "404"] == 1


def test_charges_and_refunds_are_counted(hub: LiveHub) -> None:
    """Both counters only increase: a refund does not decrease the charges."""
    hub.backend.provider = Provider([parse_outcome("deliver=1"), parse_outcome("fail")])
    hub.generate({"n": 3})
    hub.generate({})
    samples = scrape(hub)
    assert samples["mockhub_credits_charged_total",] == 32
    assert samples["mockhub_credits_refunded_total",] == 24


def test_counters_survive_their_hub(hub: LiveHub) -> None:
    """Resetting or deleting a hub decreases no counter."""
    created = hub.client.post("/_mockhub/hubs").json()
    hub.generate({}, key=created["key"])
    hub.generate({})
    hub.client.delete(f"/_mockhub/hubs/{created['hub']['name']}")
    hub.client.post("/_mockhub/hubs/default/reset")
    hub.generate({})
    samples = scrape(hub)
    assert samples["mockhub_credits_charged_total",] == 24
    assert samples["mockhub_requests_total", "create_generation", "200"] == 3
    assert samples["mockhub_hubs",] == 1


def test_generations_are_counted_by_status(hub: LiveHub) -> None:
    """The gauge has the current statuses of the generations of all hubs."""
    hub.backend.provider = Provider([parse_outcome("duration=1s"), parse_outcome("fail")])
    hub.generate({"async": True})
    hub.generate({"async": True})
    name = "mockhub_generations"
    statuses = ("queued", "processing", "succeeded", "failed")
    assert [scrape(hub)[name, status] for status in statuses] == [1, 0, 1, 1]
    hub.server.call(hub.backend.advance_to_next_event)
    assert [scrape(hub)[name, status] for status in statuses] == [0, 0, 2, 1]


def test_latencies_are_counted_in_buckets(hub: LiveHub) -> None:
    """The buckets are cumulative, and the last holds every request."""
    for _ in range(3):
        hub.get("credits")
    samples = scrape(hub)
    name = "mockhub_request_seconds"
    buckets = [value for (sample, *_), value in samples.items() if sample == f"{name}_bucket"]
    assert buckets == sorted(buckets)
    assert (buckets[-1], samples[f"{name}_count", "get_credits"]) == (3, 3)
    assert samples[f"{name}_sum", "get_credits"] > 0


def test_serving_does_not_import_the_metrics_library() -> None:
    """The first scrape imports it, so that the server starts faster."""
    program = (
        "import sys, mockhub.cli.run_server, mockhub.control.app;"
        "print('prometheus_client' in sys.modules, 'mockhub.control.handlers.hubs' in sys.modules)"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "False False"
