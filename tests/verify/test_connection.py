"""The profile describes the connection: certificates, a proxy, headers, timeouts and a rate."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.budget import Budget
from mockhub.verify.client import BudgetedClient
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.connection import RateLimiter
from mockhub.verify.profile import Timeouts
from mockhub.verify.run import UnreachableError
from mockhub.verify.runner import run
from tests.support.scripted_server import (
    CERTIFICATE,
    Request,
    Response,
    build_profile,
    json_response,
    mock_with_changes,
    problems,
    scripted_server,
)


def test_self_signed_certificate_is_trusted_by_ca_file() -> None:
    """All requests use it, those that are sent at the same moment included."""
    with mock_with_changes(lambda request, response: None, tls=True) as url:
        profile = build_profile(url, ca_file=CERTIFICATE)
        report = run(profile, keyword="MOD-7 or ledger_is_never_overdrawn_concurrently")
    assert problems(report) == []
    assert {"MOD-7", "LED-4"} <= {clause.id for clause in report.with_outcome("passed")}


def test_untrusted_certificate_is_named() -> None:
    """Without ca_file the error says what is missing, not that there is no server."""
    with (
        scripted_server(lambda request: Response(), tls=True) as url,
        pytest.raises(UnreachableError, match="certificate is not trusted; ca_file"),
    ):
        run(build_profile(url), keyword="MOD-7")


def test_file_without_certificates_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    profile = build_profile("https://127.0.0.1:1", ca_file=file)
    with pytest.raises(MockhubError, match="ca.pem cannot be used: .*; expected certificates"):
        BudgetedClient(profile, Budget(0))


def test_headers_of_the_profile_are_sent_and_their_secrets_stay() -> None:
    """Every request has them, and a report shows a token as a variable."""
    received: list[Request] = []

    def record(request: Request) -> Response:
        received.append(request)
        return json_response({})

    headers = {"X-Tenant": "staging", "X-Gateway-Token": "g4teway-t0ken-of-staging"}
    with scripted_server(record) as url:
        client = BudgetedClient(build_profile(url, headers=headers), Budget(100))
        client.get("credits")
        client.send_simultaneously([SimultaneousRequest("valid", {}, cost=8)] * 2)
    assert [request.headers["X-Tenant"] for request in received] == ["staging"] * 3
    command = client.exchanges[0].curl()
    assert "X-Tenant: staging" in command
    assert "X-Gateway-Token: $MOCKHUB_KEY_X_GATEWAY_TOKEN" in command


def test_proxy_of_the_profile_is_used() -> None:
    """Requests go to the proxy, with the whole address of the server."""
    received: list[str] = []

    def proxy(request: Request) -> Response:
        received.append(request.path)
        return json_response({})

    with scripted_server(proxy) as url:
        client = BudgetedClient(build_profile("http://api.example", proxy=url), Budget(0))
        assert client.get("models", key=None).status == 200
    assert received == ["http://api.example/api/v1/models"]


def test_timeouts_of_the_profile_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of request has its own."""
    timeouts: list[httpx.Timeout] = []

    def send(self: object, *args: object, timeout: httpx.Timeout, **options: object) -> None:
        timeouts.append(timeout)
        raise httpx.ReadTimeout("slow")

    monkeypatch.setattr(httpx.Client, "stream", send)
    profile = build_profile("http://127.0.0.1:1", timeouts=Timeouts(1, 2, 3))
    client = BudgetedClient(profile, Budget(100))
    assert client.get("credits").error == "timeout"
    client.post({})
    assert {(timeout.connect, timeout.read) for timeout in timeouts} == {(1, 2), (1, 3)}


def test_rate_delays_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four requests in a second are a quarter of a second apart, also if two are sent together."""
    now, pauses = [100.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    limiter = RateLimiter(4)
    for requests in (1, 2, 1):
        limiter.wait(requests)
    assert pauses == [0, 0.25, 0.5]
