"""What the client report says of a client, and what it does not say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Event

import httpx
import pytest

from mockhub._timestamps import SECOND
from mockhub.client_report.detectors import Finding
from mockhub.client_report.report import ClientReport, build_report
from mockhub.domain.hub import HubBackend
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.faults.grammar import parse_directives
from mockhub.journal.journal import Journal
from tests.support.live_server import BODY, KEY, PNG, POOR, LiveHub, serve_hub


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub() as running:
        yield running


def told(hub: LiveHub, **rules: int) -> ClientReport:
    found: ClientReport = hub.server.call(lambda: build_report(hub.backend, **rules))
    return found


def kinds(hub: LiveHub) -> list[str]:
    return [finding.kind for finding in told(hub).findings]


def only(hub: LiveHub, **rules: int) -> Finding:
    (finding,) = told(hub, **rules).findings
    return finding


def arm(hub: LiveHub, text: str) -> None:
    hub.server.call(lambda: hub.backend.faults.arm(parse_directives(text)))


def provide(hub: LiveHub, *texts: str) -> None:
    hub.backend.provider = Provider(parse_outcome(text) for text in texts)


def leave(hub: LiveHub, **request: object) -> None:
    """Send a generation, give up at once, and wait until the server has noticed."""
    left = Event()
    hub.app.api.observers.append(lambda visit: left.set() if visit.client_disconnected else None)
    with pytest.raises(httpx.TimeoutException):
        hub.generate({**request}, timeout=0.05)
    assert left.wait(10)


def test_a_lost_answer_that_is_retried_is_a_double_charge(hub: LiveHub) -> None:
    """A POST whose answer was dropped and that was sent again is one finding with both entries."""
    arm(hub, "reset@after x1")
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    hub.generate({})
    finding = only(hub)
    assert (
        finding.kind,
        finding.severity,
        finding.exchange_numbers,
        finding.credits,
    ) == ("double_charge", "money", (1, 2), 8)


@pytest.mark.parametrize("fault", ["status=503@after", "truncate", "corrupt"])
def test_an_answer_that_cannot_be_read_is_lost(hub: LiveHub, fault: str) -> None:
    """Whatever a fault leaves of a paid answer, the retry pays twice."""
    arm(hub, f"{fault} x1")
    with suppress(httpx.TransportError, ValueError):
        hub.generate({}).json()
    hub.generate({})
    assert kinds(hub) == ["double_charge"]


def test_every_lost_try_is_counted(hub: LiveHub) -> None:
    """Three lost answers and a fourth that arrives are 24 credits for nothing."""
    arm(hub, "status=503@after x3")
    for _ in range(4):
        hub.generate({})
    finding = only(hub)
    assert (finding.credits, finding.exchange_numbers) == (24, (1, 2, 3, 4))


def test_a_client_that_leaves_and_returns_pays_twice(hub: LiveHub) -> None:
    """Giving up before 800 s and asking again is two findings: the money and the deadline."""
    arm(hub, "hang@after x1")
    leave(hub)
    hub.generate({})
    assert kinds(hub) == ["double_charge", "early_disconnect"]


def test_a_retry_before_the_money_moved_is_right(hub: LiveHub) -> None:
    """A 503 before the charge, retried, is what a good client does."""
    arm(hub, "status=503 x1")
    assert [hub.generate({}).status_code for _ in range(2)] == [503, 200]
    assert kinds(hub) == []


def test_a_retry_after_a_refund_is_right(hub: LiveHub) -> None:
    """A failed generation was refunded; asking again pays once."""
    provide(hub, "fail", "deliver=1")
    assert [hub.generate({}).status_code for _ in range(2)] == [500, 200]
    assert kinds(hub) == []


def test_asking_twice_on_purpose_is_right(hub: LiveHub) -> None:
    """Two answers that both arrived are two pictures, not a double charge."""
    assert [hub.generate({}).status_code for _ in range(2)] == [200, 200]
    assert kinds(hub) == []


def test_another_accounts_request_is_no_retry(hub: LiveHub) -> None:
    """A lost answer of one user and the same request of another are two matters."""
    arm(hub, "reset@after x1")
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    hub.generate({}, key="gih_live_" + 8 * "rich")
    assert kinds(hub) == []


@pytest.mark.parametrize("fault", [None, "status=402 x1"])
def test_a_retried_402(hub: LiveHub, fault: str | None) -> None:
    """The same request after insufficientCredits is a mistake, be the 402 real or asked for."""
    if fault:
        arm(hub, fault)
    for _ in range(2):
        hub.generate({}, key=KEY if fault else POOR)
    finding = only(hub)
    assert (finding.kind, finding.exchange_numbers) == ("retried_client_error", (1, 2))
    assert "402" in finding.summary


def test_another_request_after_402_is_no_retry(hub: LiveHub) -> None:
    """Two requests that only look alike from outside are two wishes."""
    for prompt in ("a cat", "a dog"):
        assert hub.generate({"prompt": prompt}, key=POOR).status_code == 402
    assert kinds(hub) == []


def test_a_402_that_was_topped_up_is_no_retry(hub: LiveHub) -> None:
    """After a grant the same request is right."""
    hub.generate({}, key=POOR)
    hub.server.call(lambda: hub.backend.grant(hub.backend.accounts["poor"], 100))
    assert hub.generate({}, key=POOR).status_code == 200
    assert kinds(hub) == []


def test_a_retried_401(hub: LiveHub) -> None:
    """The same bad key again is a mistake; another key is not."""
    hub.get("credits", key="gih_live_wrong")
    hub.get("credits", key="gih_live_other")
    assert kinds(hub) == []
    hub.get("credits", key="gih_live_wrong")
    finding = only(hub)
    assert (finding.kind, finding.exchange_numbers) == ("retried_client_error", (1, 3))


def queued(hub: LiveHub) -> str:
    id: str = hub.generate({"async": True}).json()["id"]
    return f"generations/{id}"


def test_polls_in_a_row_are_too_fast(hub: LiveHub) -> None:
    """Polls closer together than configured are a hint; a wider clock makes it right."""
    provide(hub, "duration=60s")
    poll = queued(hub)
    for _ in range(3):
        hub.get(poll)
    assert only(hub).kind == "fast_poll"
    assert told(hub, min_poll_interval=0).findings == ()


def test_polls_a_second_apart_are_right(hub: LiveHub) -> None:
    """The hub's clock counts as much as the machine's."""
    provide(hub, "duration=60s")
    poll = queued(hub)
    for _ in range(3):
        hub.get(poll)
        hub.server.call(lambda: hub.backend.clock.advance(SECOND))  # type: ignore[attr-defined]
    assert kinds(hub) == []


def test_polling_after_the_end(hub: LiveHub) -> None:
    """A generation that was seen to succeed is not asked for again."""
    poll = queued(hub)
    hub.get(poll)
    assert kinds(hub) == []
    hub.get(poll)
    finding = only(hub)
    assert (finding.kind, finding.exchange_numbers) == ("poll_after_completion", (3,))


def test_unknown_fields_are_named(hub: LiveHub) -> None:
    """A field that the contract ignores is told with the one that was meant, and a query too."""
    hub.generate({"sise": "1024x1024"})
    hub.client.get("/api/v1/models?page=2")
    found = {finding.summary: finding.exchange_numbers for finding in told(hub).findings}
    assert list(found.values()) == [(1,), (2,)]
    assert "'sise'" in next(iter(found))
    assert "did you mean 'size'?" in next(iter(found))


def test_unknown_fields_of_a_form_are_named(hub: LiveHub) -> None:
    """A form's fields are held to the contract as JSON's are."""
    hub.generate(data={**BODY, "style": "vivid"}, files={"x": b""})
    assert "'style'" in only(hub).summary


def test_leaving_early_is_told(hub: LiveHub) -> None:
    """A client that leaves a synchronous request before 800 s is told what it paid."""
    arm(hub, "delay=1s@after")
    hub.backend.clock.mode = "hold"  # type: ignore[attr-defined]
    leave(hub)
    finding = only(hub)
    assert finding.kind == "early_disconnect"
    assert "8 credits were charged" in finding.summary


def test_leaving_an_asynchronous_request_is_no_deadline(hub: LiveHub) -> None:
    """The 800 s are for those who wait for images."""
    arm(hub, "hang@after x1")
    leave(hub, **{"async": True})
    assert kinds(hub) == []


def test_references_uploaded_twice(hub: LiveHub) -> None:
    """The same reference in two requests is a hint."""
    for prompt in ("one", "two"):
        file = {"reference_image": ("a.png", PNG)}
        assert hub.generate(data={**BODY, "prompt": prompt}, files=file).status_code == 200
    finding = only(hub)
    assert (finding.kind, finding.exchange_numbers) == ("duplicate_upload", (1, 2))


def test_coverage_counts_what_was_met(hub: LiveHub) -> None:
    """Operations, statuses, codes and job states are counted; the rest is named as never met."""
    provide(hub, "polls=2")
    poll = queued(hub)
    hub.get(poll)
    hub.get(poll)
    for _ in range(2):
        hub.get("credits", key=None)
    met = told(hub).coverage
    assert met.states == {"queued": 1, "processing": 1, "succeeded": 1, "failed": 0}
    assert (
        met.codes["missingApiKey"],
        met.statuses["get_credits"][401],
        met.operations["get_credits"],
    ) == (2, 2, 2)
    assert met.statuses["get_generation"] == {200: 2, 400: 0, 401: 0, 404: 0}
    assert "error code expiredApiKey" in met.uncovered
    assert "operation list_models" in met.uncovered
    assert met.total == met.covered + len(met.uncovered)


def test_a_fault_lets_a_client_meet_a_status(hub: LiveHub) -> None:
    """402 by a fault is a 402 met; 503 stands among what the contract does not document."""
    arm(hub, "status=402 x1")
    hub.generate({})
    arm(hub, "status=503 x1")
    hub.generate({})
    met = told(hub).coverage
    assert (met.codes["insufficientCredits"], met.statuses["create_generation"][402]) == (1, 1)
    assert met.undocumented == {"create_generation 503": 1}


def test_an_answer_that_cannot_be_read_teaches_no_state(hub: LiveHub) -> None:
    """A garbled answer lets the client meet a status, but nothing within it."""
    arm(hub, "corrupt x1")
    hub.generate({})
    assert told(hub).coverage.states["succeeded"] == 0


def test_coverage_outlives_the_journal(hub: LiveHub) -> None:
    """What was met stays met when the journal has let its entry go."""
    hub.backend.journal = Journal(max_exchanges=2)
    for key in (None, KEY, KEY, KEY):
        hub.get("credits", key=key)
    found = told(hub)
    assert (found.exchanges, found.stored) == (4, 2)
    assert found.coverage.codes["missingApiKey"] == 1
    assert "the journal holds the last 2" in found.as_text()


def test_the_report_is_json_and_text(hub: LiveHub) -> None:
    """A program and a person are told the same findings."""
    for _ in range(2):
        hub.generate({}, key=POOR)
    found = told(hub)
    content = found.as_json()
    assert content["findings"][0]["kind"] == "retried_client_error"
    assert content["findings"][0]["exchange_numbers"] == [1, 2]
    assert content["coverage"]["uncovered"] == found.coverage.uncovered
    assert "warning: retried_client_error, journal #1, #2" in found.as_text()


def test_a_clean_client_has_a_clean_report(hub: LiveHub) -> None:
    """Nothing is wrong with a client that does everything once."""
    hub.generate({})
    assert "No findings." in told(hub).as_text()


def test_the_order_of_sending_counts(hub: LiveHub) -> None:
    """A lost answer is noted when the client has left, after its retry; it is still the first."""
    backend: HubBackend = hub.backend
    arm(hub, "hang@after x1")
    leave(hub)
    hub.generate({})
    first, second = backend.journal
    backend.journal = Journal()
    backend.journal.add(second)
    backend.journal.add(first)
    assert "double_charge" in kinds(hub)
