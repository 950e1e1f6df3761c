"""The credits of exchanges: what each one charged and got back, and that they sum to the ledger."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mockhub.journal.journal import Journal
from tests.support.live_server import BODY, KEY, POOR, LiveHub, serve_hub
from tests.support.raw_http import connect, post_request, read_responses

JOURNAL = "/_mockhub/hubs/default/journal"


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        running.backend.journal = Journal()  # without the generations of the scenario
        yield running
        assert journal_total(running) == ledger_total(running)


def listed_credits(hub: LiveHub) -> list[int]:
    return [exchange.credits for exchange in hub.backend.journal]


def journal_total(hub: LiveHub) -> int:
    journal = hub.backend.journal
    return hub.server.call(
        lambda: sum(exchange.credits for exchange in journal) + journal.unlisted_credits
    )


def ledger_total(hub: LiveHub) -> int:
    totals = hub.server.call(hub.backend.credit_totals)
    return totals["charge"] + totals["refund"]


def queue(hub: LiveHub, prompt: str) -> str:
    id: str = hub.generate({"prompt": prompt, "n": 4, "async": True}).json()["id"]
    return id


def test_exchange_does_not_show_charges_of_other_requests(hub: LiveHub) -> None:
    """A slow upload that is rejected charges nothing, whatever others spend meanwhile."""
    body = b'{"model": "gpt-image-2"}'
    with connect(hub) as client:
        client.sendall(post_request(body[:5], length=len(body)))
        hub.server.call(lambda: None)
        assert hub.generate({"n": 4}).status_code == 200
        client.sendall(body[5:])
        (response,) = read_responses(client)
    assert response.status == 400
    assert listed_credits(hub) == [-32, 0]
    archive = hub.client.get(f"{JOURNAL}?format=har").json()
    assert [entry["_credits"] for entry in archive["log"]["entries"]] == [-32, 0]


def test_reads_do_not_show_charges_and_refunds(hub: LiveHub) -> None:
    """A request that finds a refund, or that waits while others pay, has 0 credits."""
    id = queue(hub, "[[fail duration=10s]]")
    hub.backend.manual_clock().mode = "hold"
    hub.server.call(lambda: hub.backend.manual_clock().advance(10_000))
    hub.get("credits")
    hub.get(f"generations/{id}")
    assert listed_credits(hub) == [0, 0, 0]


def complete_by_poll(hub: LiveHub) -> None:
    id = queue(hub, "[[deliver=1 polls=2]]")
    hub.get(f"generations/{id}")
    assert listed_credits(hub)[0] == -32
    hub.get(f"generations/{id}")


def complete_by_time(hub: LiveHub) -> None:
    queue(hub, "[[deliver=1 duration=10s]]")
    hub.server.call(lambda: hub.backend.manual_clock().advance(10_000))
    hub.server.call(hub.backend.settle)


def complete_by_control_plane(hub: LiveHub) -> None:
    id = queue(hub, "[[deliver=1 never]]")
    hub.server.call(lambda: hub.backend.complete(id))


def complete_at_once(hub: LiveHub) -> None:
    hub.generate({"prompt": "[[deliver=1]]", "n": 4})


def complete_after_the_response_was_lost(hub: LiveHub) -> None:
    with pytest.raises(httpx.TransportError):
        hub.generate({"prompt": "[[deliver=1 reset@after]]", "n": 4})


@pytest.mark.parametrize(
    "run",
    [
        complete_by_poll,
        complete_by_time,
        complete_by_control_plane,
        complete_at_once,
        complete_after_the_response_was_lost,
    ],
)
def test_refund_is_shown_by_the_exchange_that_paid(
    hub: LiveHub, run: Callable[[LiveHub], None]
) -> None:
    """A generation of 4 images of which 1 is delivered costs 8 credits, however it ends."""
    run(hub)
    assert listed_credits(hub)[0] == -8
    assert set(listed_credits(hub)[1:]) <= {0}
    assert ledger_total(hub) == -8


def test_rejected_generation_has_no_credits(hub: LiveHub) -> None:
    hub.generate({"n": 0})
    hub.generate({}, POOR)
    assert listed_credits(hub) == [0, 0]


def test_evicted_and_removed_exchanges_are_counted(hub: LiveHub) -> None:
    """Credits of exchanges that left the journal are kept as a sum, also later refunds."""
    hub.backend.journal = Journal(max_exchanges=2)
    id = queue(hub, "[[fail polls=1]]")
    hub.generate({})
    hub.generate({})
    assert (listed_credits(hub), hub.backend.journal.unlisted_credits) == ([-8, -8], -32)
    hub.get(f"generations/{id}")
    hub.client.delete(JOURNAL)
    assert (listed_credits(hub), hub.backend.journal.unlisted_credits) == ([], -16)


def test_evicted_generation_keeps_its_credits(hub: LiveHub) -> None:
    hub.server.call(lambda: hub.backend.set_max_generations(1))
    for _ in range(3):
        hub.generate({})
    assert listed_credits(hub) == [-8, -8, -8]


def test_imported_generation_is_counted_without_an_exchange(hub: LiveHub) -> None:
    backend = hub.backend
    request = _request_of(hub)
    hub.server.call(
        lambda: backend.import_generation(
            backend.accounts["rich"], request, id=None, created_at=None
        )
    )
    assert (listed_credits(hub), backend.journal.unlisted_credits) == ([-8], -8)


def _request_of(hub: LiveHub) -> Any:
    hub.generate({})
    return next(iter(hub.backend.generations.values())).request


def test_reset_takes_back_the_credits_of_waiting_requests(hub: LiveHub) -> None:
    """A request that waits during a reset is recorded without its charge, which is undone."""
    backend = hub.backend
    hub.server.call(backend.save_snapshot)
    backend.manual_clock().mode = "hold"
    body = json.dumps({**BODY, "prompt": "[[duration=10s]]"}).encode()
    with connect(hub) as client:
        client.sendall(post_request(body))
        while not hub.server.call(lambda: bool(backend.generations)):
            pass
        hub.server.call(backend.reset)
        client.settimeout(30)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    hub.get("credits", KEY)
    assert listed_credits(hub) == [0, 0]
