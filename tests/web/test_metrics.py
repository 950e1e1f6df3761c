"""Metrics: what Prometheus reads, and that it costs a request nearly nothing."""

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


def scraped(hub: LiveHub) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values."""
    answer = hub.client.get("/_mockhub/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_operation_and_status(hub: LiveHub) -> None:
    """Each request counts once, an answer that never came as status 0, a stray path as none."""
    hub.generate({})
    hub.generate({}, key=POOR)
    with suppress(httpx.TransportError):
        hub.generate({"prompt": "[[reset]]"})
    hub.client.get("/api/v1/nothing")
    found = scraped(hub)
    name = "mockhub_requests_total"
    assert [found[name, "create_generation", status] for status in ("200", "402", "0")] == [1, 1, 1]
    assert found[name, "none", "404"] == 1


def test_credits_are_counted_as_they_move(hub: LiveHub) -> None:
    """Charges and refunds both count, though a failed generation costs nothing in the end."""
    hub.backend.provider = Provider([parse_outcome("deliver=1"), parse_outcome("fail")])
    hub.generate({"n": 3})
    hub.generate({})
    found = scraped(hub)
    assert found["mockhub_credits_charged_total",] == 32
    assert found["mockhub_credits_refunded_total",] == 24


def test_counters_outlive_their_hub(hub: LiveHub) -> None:
    """Neither a reset nor a drop lets a counter fall."""
    made = hub.client.post("/_mockhub/hubs").json()
    hub.generate({}, key=made["key"])
    hub.generate({})
    hub.client.delete(f"/_mockhub/hubs/{made['hub']['name']}")
    hub.client.post("/_mockhub/hubs/default/reset")
    hub.generate({})
    found = scraped(hub)
    assert found["mockhub_credits_charged_total",] == 24
    assert found["mockhub_requests_total", "create_generation", "200"] == 3
    assert found["mockhub_hubs",] == 1


def test_generations_stand_in_their_states(hub: LiveHub) -> None:
    """The generations of all hubs by state, as of now."""
    hub.backend.provider = Provider([parse_outcome("duration=1s"), parse_outcome("fail")])
    hub.generate({"async": True})
    hub.generate({"async": True})
    name = "mockhub_generations"
    states = ("queued", "processing", "succeeded", "failed")
    assert [scraped(hub)[name, state] for state in states] == [1, 0, 1, 1]
    hub.server.call(hub.backend.advance_to_next_event)
    assert [scraped(hub)[name, state] for state in states] == [0, 0, 2, 1]


def test_latencies_fall_into_buckets(hub: LiveHub) -> None:
    """The buckets are cumulative, and the last holds every request."""
    for _ in range(3):
        hub.get("credits")
    found = scraped(hub)
    name = "mockhub_request_seconds"
    buckets = [value for (sample, *_), value in found.items() if sample == f"{name}_bucket"]
    assert sorted(buckets) == buckets
    assert 3 == buckets[-1] == found[f"{name}_count", "get_credits"]
    assert found[f"{name}_sum", "get_credits"] > 0


def test_serving_does_not_import_the_metrics_library() -> None:
    """It is imported when somebody scrapes; the start of the server does not pay for it."""
    program = (
        "import sys, mockhub.cli.run_server, mockhub.control.app;"
        "print('prometheus_client' in sys.modules, 'mockhub.control.handlers.hubs' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False False"
