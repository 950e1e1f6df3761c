"""The client report: what it finds, and what it does not report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from time import monotonic, sleep

import httpx
import pytest

from mockhub._timestamps import SECOND
from mockhub.client_report.detectors import Finding
from mockhub.client_report.exchanges import is_retry
from mockhub.client_report.report import ClientReport, build_report
from mockhub.domain.hub import HubBackend
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.faults.grammar import parse_directives
from mockhub.journal.journal import Journal
from tests.support.live_server import BODY, KEY, PNG, POOR, LiveHub, serve_hub
from tests.support.raw_http import AUTH, connect


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub() as running:
        yield running


def get_report(hub: LiveHub, **options: int) -> ClientReport:
    return hub.server.call(lambda: build_report(hub.backend, **options))


def finding_kinds(hub: LiveHub) -> list[str]:
    return [finding.kind for finding in get_report(hub).findings]


def single_finding(hub: LiveHub, **options: int) -> Finding:
    (finding,) = get_report(hub, **options).findings
    return finding


def arm(hub: LiveHub, text: str) -> None:
    hub.server.call(lambda: hub.backend.faults.arm(parse_directives(text)))


def script_provider(hub: LiveHub, *texts: str) -> None:
    hub.backend.provider = Provider(parse_outcome(text) for text in texts)


def disconnect(hub: LiveHub, **request: object) -> None:
    """Send a generation request, disconnect, and wait until the server has noticed."""
    noticed = Event()
    hub.app.api.observers.append(
        lambda context: noticed.set() if context.client_disconnected else None
    )
    with pytest.raises(httpx.TimeoutException):
        hub.generate({**request}, timeout=0.05)
    assert noticed.wait(10)


def wait_for_exchanges(hub: LiveHub, count: int) -> None:
    until = monotonic() + 30
    while hub.server.call(lambda: hub.backend.journal.total) < count and monotonic() < until:
        sleep(0.01)


def test_retry_of_a_lost_response_is_a_double_charge(hub: LiveHub) -> None:
    """A POST that lost its response and was sent again is one finding with both exchanges."""
    arm(hub, "reset@after x1")
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    hub.generate({})
    finding = single_finding(hub)
    assert (
        finding.kind,
        finding.severity,
        finding.exchange_numbers,
        finding.credits,
    ) == ("double_charge", "money", (1, 2), 8)


@pytest.mark.parametrize("fault", ["status=503@after", "truncate", "corrupt"])
def test_unreadable_response_is_lost(hub: LiveHub, fault: str) -> None:
    """If a fault spoils a response that was charged, the retry pays twice."""
    arm(hub, f"{fault} x1")
    with suppress(httpx.TransportError, ValueError):
        hub.generate({}).json()
    hub.generate({})
    assert finding_kinds(hub) == ["double_charge"]


def test_every_lost_attempt_is_counted(hub: LiveHub) -> None:
    """Three lost responses and a fourth that arrives have wasted 24 credits."""
    arm(hub, "status=503@after x3")
    for _ in range(4):
        hub.generate({})
    finding = single_finding(hub)
    assert (finding.credits, finding.exchange_numbers) == (24, (1, 2, 3, 4))


def test_disconnect_and_retry_are_two_findings(hub: LiveHub) -> None:
    """A client that gives up before 800 s and retries pays twice and ignores the limit."""
    arm(hub, "hang@after x1")
    disconnect(hub)
    hub.generate({})
    assert finding_kinds(hub) == ["double_charge", "early_disconnect"]


def test_retry_before_the_charge_is_correct(hub: LiveHub) -> None:
    """A retry after a 503 without a charge is what a good client does."""
    arm(hub, "status=503 x1")
    assert [hub.generate({}).status_code for _ in range(2)] == [503, 200]
    assert finding_kinds(hub) == []


def test_retry_after_a_refund_is_correct(hub: LiveHub) -> None:
    """A failed generation was refunded, so the retry pays once."""
    script_provider(hub, "fail", "deliver=1")
    assert [hub.generate({}).status_code for _ in range(2)] == [500, 200]
    assert finding_kinds(hub) == []


def test_intended_repetition_is_correct(hub: LiveHub) -> None:
    """Two responses that both arrived are two images, not a double charge."""
    assert [hub.generate({}).status_code for _ in range(2)] == [200, 200]
    assert finding_kinds(hub) == []


def test_request_of_another_account_is_not_a_retry(hub: LiveHub) -> None:
    """The same request of another user has nothing to do with a lost response."""
    arm(hub, "reset@after x1")
    with pytest.raises(httpx.TransportError):
        hub.generate({})
    hub.generate({}, key="gih_live_" + 8 * "rich")
    assert finding_kinds(hub) == []


@pytest.mark.parametrize("fault", [None, "status=402 x1"])
def test_retry_after_402(hub: LiveHub, fault: str | None) -> None:
    """The same request after insufficientCredits is a finding, also if a fault injected the 402."""
    if fault:
        arm(hub, fault)
    for _ in range(2):
        hub.generate({}, key=KEY if fault else POOR)
    finding = single_finding(hub)
    assert (finding.kind, finding.exchange_numbers) == ("retried_client_error", (1, 2))
    assert "402" in finding.summary


def test_another_request_after_402_is_not_a_retry(hub: LiveHub) -> None:
    """Two requests that differ only in the prompt are not a retry."""
    for prompt in ("a cat", "a dog"):
        assert hub.generate({"prompt": prompt}, key=POOR).status_code == 402
    assert finding_kinds(hub) == []


def test_retry_after_a_top_up_is_correct(hub: LiveHub) -> None:
    """After a grant the same request is correct."""
    hub.generate({}, key=POOR)
    hub.server.call(lambda: hub.backend.grant(hub.backend.accounts["poor"], 100))
    assert hub.generate({}, key=POOR).status_code == 200
    assert finding_kinds(hub) == []


def test_retry_after_401(hub: LiveHub) -> None:
    """The same invalid key again is a finding; another key is not."""
    hub.get("credits", key="gih_live_wrong")
    hub.get("credits", key="gih_live_other")
    assert finding_kinds(hub) == []
    hub.get("credits", key="gih_live_wrong")
    finding = single_finding(hub)
    assert (finding.kind, finding.exchange_numbers) == ("retried_client_error", (1, 3))


def test_request_with_a_rejected_key_is_not_called_the_same_request(hub: LiveHub) -> None:
    """The body after a wrong key is not read: what is the same, whatever its length, is the key."""
    for prompt in ("p1", "p2", "p345"):
        hub.generate({"prompt": prompt}, key="gih_live_wrong")
    finding = single_finding(hub)
    assert finding.exchange_numbers == (1, 2, 3)
    assert finding.summary == (
        "POST /api/v1/images/generations was answered 401 and sent again 2 times with the same key."
    )


def test_body_that_a_fault_left_unread_is_not_called_the_same(hub: LiveHub) -> None:
    arm(hub, "status=402 x1")
    for prompt in ("p1", "p2"):
        hub.generate({"prompt": prompt})
    assert single_finding(hub).summary.endswith("again once with a body of the same length.")


def test_requests_at_the_same_time_are_not_retries(hub: LiveHub) -> None:
    """The second had not seen the 402 of the first when it was sent."""
    for _ in range(2):
        hub.generate({}, key=POOR)
    first, second = hub.server.call(lambda: [*hub.backend.journal])
    assert is_retry(first, second)
    assert not is_retry(first, second._replace(started_at=first.started_at))


def submit(hub: LiveHub) -> str:
    """Submit an asynchronous generation; return the path to poll."""
    return f"generations/{hub.generate({'async': True}).json()['id']}"


def test_polls_in_quick_succession_are_too_fast(hub: LiveHub) -> None:
    """Polls closer together than the configured interval are a hint."""
    script_provider(hub, "duration=60s")
    poll = submit(hub)
    for _ in range(3):
        hub.get(poll)
    assert single_finding(hub).kind == "fast_poll"
    assert get_report(hub, min_poll_interval=0).findings == ()


def test_polls_a_second_apart_are_correct(hub: LiveHub) -> None:
    """The hub's clock counts as much as real time."""
    script_provider(hub, "duration=60s")
    poll = submit(hub)
    for _ in range(3):
        hub.get(poll)
        hub.server.call(lambda: hub.backend.clock.advance(SECOND))  # type: ignore[attr-defined]
    assert finding_kinds(hub) == []


def test_polls_after_completion(hub: LiveHub) -> None:
    """A generation that the client saw succeed need not be polled again."""
    poll = submit(hub)
    hub.get(poll)
    assert finding_kinds(hub) == []
    hub.get(poll)
    finding = single_finding(hub)
    assert (finding.kind, finding.exchange_numbers) == ("poll_after_completion", (3,))


def test_unknown_field_suggests_a_known_one(hub: LiveHub) -> None:
    """An unknown field or query parameter is a finding that suggests a known field."""
    hub.generate({"sise": "1024x1024"})
    hub.client.get("/api/v1/models?page=2")
    field, parameter = get_report(hub).findings
    assert (field.exchange_numbers, parameter.exchange_numbers) == ((1,), (2,))
    assert "'sise'" in field.summary
    assert "did you mean 'size'?" in field.summary


def test_unknown_field_of_a_form(hub: LiveHub) -> None:
    """The fields of a form are checked like those of JSON."""
    hub.generate(data={**BODY, "style": "vivid"}, files={"x": b""})
    assert "'style'" in get_report(hub).findings[0].summary


@pytest.mark.parametrize(
    "name", ["reference_image[]", "reference_image[0]", "reference_images", "image", "image[]"]
)
def test_unknown_file_suggests_the_known_one(hub: LiveHub, name: str) -> None:
    """A file under another name is discarded and the request charged, which is a finding."""
    assert hub.generate(data=BODY, files={name: ("a.png", PNG)}).status_code == 200
    finding = single_finding(hub)
    assert finding.kind == "unknown_field"
    assert f"file {name!r}" in finding.summary
    assert "did you mean 'reference_image'?" in finding.summary
    assert "8 credits were charged without it" in finding.impact


def test_unknown_file_without_a_similar_name(hub: LiveHub) -> None:
    """The suggestion lists the known fields, also the files."""
    hub.generate(data=BODY, files={"mask": ("a.png", PNG)})
    finding = single_finding(hub)
    assert "did you mean" not in finding.summary
    assert "reference_image" in finding.suggestion


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("N", "'n'"),
        ("Size", "'size'"),
        ("referenceImage", "'reference_image'"),
        ("Async", "'async'"),
    ],
)
def test_field_in_another_case_suggests_the_known_one(
    hub: LiveHub, name: str, suggestion: str
) -> None:
    assert hub.generate({name: 2}).status_code == 200
    assert f"did you mean {suggestion}?" in single_finding(hub).summary


def test_file_field_in_json_is_explained(hub: LiveHub) -> None:
    """A reference image in JSON is rejected: it must be a file of a form."""
    hub.generate({"reference_image": "https://example.com/a.png"})
    finding = single_finding(hub)
    assert "did you mean" not in finding.summary
    assert "reference_image only as a file in a form" in finding.suggestion
    assert finding.impact == "It is not valid in JSON: the request was rejected."


@pytest.mark.parametrize("path", ["models?page=2", "credits?page=2", "generations/x?page=2"])
def test_query_parameter_is_unknown_everywhere(hub: LiveHub, path: str) -> None:
    """No operation reads a query parameter."""
    hub.get(path)
    assert "query parameter 'page'" in single_finding(hub).summary


@pytest.mark.parametrize(
    ("kind", "start"),
    [(b"application/json", b'{"model": '), (b"multipart/form-data; boundary=XX", b"--XX")],
)
def test_broken_upload_is_not_an_early_disconnect(hub: LiveHub, kind: bytes, start: bytes) -> None:
    """A client that disconnects in the middle of its body has paid for nothing."""
    head = b"POST /api/v1/images/generations HTTP/1.1\r\nHost: mock\r\nContent-Type: " + kind
    with connect(hub) as client:
        client.sendall(head + b"\r\nContent-Length: 5000\r\n" + AUTH + b"\r\n" + start)
    wait_for_exchanges(hub, 1)
    finding = single_finding(hub)
    assert finding.kind == "incomplete_upload"
    assert "of 5000 bytes" in finding.summary


def test_early_disconnect_shows_the_cost(hub: LiveHub) -> None:
    """A client that disconnects from a synchronous request before 800 s sees what it paid."""
    arm(hub, "delay=1s@after")
    hub.backend.clock.mode = "hold"  # type: ignore[attr-defined]
    disconnect(hub)
    finding = single_finding(hub)
    assert finding.kind == "early_disconnect"
    assert "8 credits were charged" in finding.summary


def test_early_disconnect_shows_the_time_of_the_client(hub: LiveHub) -> None:
    """The time is how long the client waited, not what a fault added to the hub's clock."""
    arm(hub, "hang@after x1")
    script_provider(hub, "duration=600s")
    disconnect(hub)
    assert "600 s" not in single_finding(hub).summary


def test_disconnect_from_an_asynchronous_request_is_correct(hub: LiveHub) -> None:
    """The 800 s apply to synchronous requests only."""
    arm(hub, "hang@after x1")
    disconnect(hub, **{"async": True})
    assert finding_kinds(hub) == []


def test_reference_image_uploaded_twice(hub: LiveHub) -> None:
    """The same reference image in two requests is a hint."""
    for prompt in ("one", "two"):
        file = {"reference_image": ("a.png", PNG)}
        assert hub.generate(data={**BODY, "prompt": prompt}, files=file).status_code == 200
    finding = single_finding(hub)
    assert (finding.kind, finding.exchange_numbers) == ("duplicate_upload", (1, 2))


def test_coverage_counts_what_occurred(hub: LiveHub) -> None:
    """Operations, statuses, codes and job states are counted; the rest is listed as uncovered."""
    script_provider(hub, "polls=2")
    poll = submit(hub)
    hub.get(poll)
    hub.get(poll)
    for _ in range(2):
        hub.get("credits", key=None)
    coverage = get_report(hub).coverage
    assert coverage.states == {"queued": 1, "processing": 1, "succeeded": 1, "failed": 0}
    assert (
        coverage.codes["missingApiKey"],
        coverage.statuses["get_credits"][401],
        coverage.operations["get_credits"],
    ) == (2, 2, 2)
    assert coverage.statuses["get_generation"] == {200: 2, 400: 0, 401: 0, 404: 0}
    assert coverage.outcomes["none"] == {"none": 0, "queued": 1, "processing": 1, "succeeded": 1}
    assert coverage.outcomes["generationFailed"] == {"none": 0, "failed": 0}
    assert coverage.outcomes["missingApiKey"] == {"none": 2}
    assert "error code expiredApiKey" in coverage.uncovered
    assert "operation list_models" in coverage.uncovered
    assert coverage.total == coverage.covered + len(coverage.uncovered)


def test_injected_status_counts_for_coverage(hub: LiveHub) -> None:
    """402 by a fault covers 402; 503 is counted as undocumented."""
    arm(hub, "status=402 x1")
    hub.generate({})
    arm(hub, "status=503 x1")
    hub.generate({})
    coverage = get_report(hub).coverage
    assert (coverage.codes["insufficientCredits"], coverage.statuses["create_generation"][402]) == (
        1,
        1,
    )
    assert coverage.undocumented == {"create_generation 503": 1}


def test_corrupt_response_covers_no_state(hub: LiveHub) -> None:
    """A corrupt response covers its status, but nothing that is in its body."""
    arm(hub, "corrupt x1")
    hub.generate({})
    assert get_report(hub).coverage.states["succeeded"] == 0


def test_coverage_includes_evicted_exchanges(hub: LiveHub) -> None:
    """What occurred remains covered when the journal has evicted the exchange."""
    hub.backend.journal = Journal(max_exchanges=2)
    for key in (None, KEY, KEY, KEY):
        hub.get("credits", key=key)
    report = get_report(hub)
    assert (report.exchanges, report.stored) == (4, 2)
    assert report.coverage.codes["missingApiKey"] == 1
    assert "the journal holds the last 2" in report.as_text()


def test_report_is_json_and_text(hub: LiveHub) -> None:
    """Both forms have the same findings."""
    for _ in range(2):
        hub.generate({}, key=POOR)
    report = get_report(hub)
    content = report.as_json()
    assert content["findings"][0]["kind"] == "retried_client_error"
    assert content["findings"][0]["exchange_numbers"] == [1, 2]
    assert content["coverage"]["uncovered"] == report.coverage.uncovered
    assert "warning: retried_client_error, journal #1, #2" in report.as_text()


def test_correct_client_has_no_findings(hub: LiveHub) -> None:
    """A client that does everything once has no findings."""
    hub.generate({})
    assert "No findings." in get_report(hub).as_text()


def test_exchanges_are_ordered_by_their_start(hub: LiveHub) -> None:
    """The first attempt comes first, also if its disconnect is recorded after the retry."""
    backend: HubBackend = hub.backend
    arm(hub, "hang@after x1")
    disconnect(hub)
    hub.generate({})
    first, second = backend.journal
    backend.journal = Journal()
    backend.journal.add(second)
    backend.journal.add(first)
    assert "double_charge" in finding_kinds(hub)
