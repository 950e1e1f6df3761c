"""The proxy names what the service does wrong, and accuses no conforming one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import httpx
import pytest
from junitparser import JUnitXml

from mockhub._resources import resource_path
from mockhub.mutants.catalog import find
from mockhub.mutants.serving import running
from mockhub.proxy.checks import ExchangeChecks
from mockhub.proxy.findings import Finding
from mockhub.proxy.guard import Guard
from mockhub.proxy.report import render_html, render_json, render_junit, summary
from tests.proxy.support import LiveProxy, start_proxy
from tests.support.live_server import KEY, OTHER, PNG, POOR, LiveHub, read_spec
from tests.support.scripted_server import Request, Response, json_response, scripted_server

SPEC = read_spec(resource_path("openapi.yaml"))


@contextmanager
def exclusive_proxy(target: str, **options: object) -> Iterator[LiveProxy]:
    checks = ExchangeChecks(SPEC, exclusive=True)
    with start_proxy(target, checks=checks, **options) as proxy:
        yield proxy


@pytest.fixture
def proxy(upstream: LiveHub) -> Iterator[LiveProxy]:
    with exclusive_proxy(upstream.url + "/api/v1") as proxy:
        yield proxy


def use(proxy: LiveProxy) -> Iterator[httpx.Response]:
    """Send what a client sends on an ordinary day: every operation, mode and error."""
    yield proxy.get("models", None)
    yield proxy.get("credits")
    yield proxy.get("credits", None)
    yield proxy.generate({})
    yield proxy.generate({"n": 3, "size": "2048x2048", "quality": "high"})
    yield proxy.generate({"n": 3, "prompt": "[[deliver=1]]"})
    yield proxy.get("credits")
    yield proxy.generate({"prompt": "[[fail]]"})
    yield proxy.get("credits")
    yield proxy.generate({"n": 9})
    yield proxy.get("credits")
    yield proxy.get("credits", POOR)
    yield proxy.generate({}, POOR)
    files = {"reference_image": PNG}
    yield proxy.generate(data={"model": "gpt-image-2", "prompt": "A"}, files=files)
    yield proxy.get("credits")
    for prompt in ("[[polls=3]]", "[[polls=3 fail]]"):
        created = proxy.generate({"async": True, "n": 3, "prompt": prompt})
        yield created
        id = created.json().get("id", "")
        for _ in range(5):
            yield proxy.get(f"generations/{id}")
        yield proxy.get(f"generations/{id}", OTHER)
        yield proxy.get(f"generations/{id}", None)
        yield proxy.get("credits")
    yield proxy.get("generations/unknown")
    yield proxy.client.head("/api/v1/models")


def findings(proxy: LiveProxy) -> list[Finding]:
    return proxy.server.call(lambda: list(proxy.api.findings))


def test_conforming_service_has_no_findings(proxy: LiveProxy) -> None:
    """An ordinary day through the proxy shows nothing, not even a warning."""
    assert len(list(use(proxy))) == 35
    assert [one.as_json() for one in findings(proxy)] == []
    assert all(one.spec_violation is None for one in proxy.exchanges())


# One for each kind of finding; the clause is the one that `mockhub verify` names.
MUTANTS = {
    "usage-zero": "GEN-6",
    "charged-twice": "LED-1",
    "sync-failure-not-refunded": "LED-2",
    "failed-task-of-three-not-refunded": "LED-2",
    "missing-images-not-refunded": "LED-3",
    "balance-not-checked": "LED-4",
    "insufficient-credits-is-403": "ERR-4",
    "invalid-requests-charged": "CRD-4",
    "quality-echoed": "GEN-4",
    "extra-image": "GEN-3",
    "async-is-200": "ASY-1",
    "poll-url-relative": "ASY-2",
    "queued-usage-charged": "ASY-4",
    "success-becomes-failure": "ASY-6",
    "image-ids-change": "RET-4",
    "every-fourth-read-not-found": "RET-1",
    "finished-shown-to-others": "RET-2",
    "reads-without-key": "AUTH-1",
    "balance-as-text": "ERR-7",
    "listed-2k-price-wrong": "MOD-3",
    "every-tenth-request-is-429": "LIM-2",
}


@pytest.mark.parametrize(("name", "clause"), MUTANTS.items())
def test_mutants_are_named_as_by_verify(name: str, clause: str) -> None:
    named: set[str] = set()
    with running(find(name).change) as server, exclusive_proxy(server.url) as proxy:
        for _ in use(proxy):
            named = {one for finding in findings(proxy) for one in finding.problem.clauses}
            if clause in named:
                break
    assert clause in named


WRONG_BALANCE = {"credits": 7, "account_type": "PRO", "next_expiration": None}


@contextmanager
def wrong_service() -> Iterator[str]:
    """Serve a balance that changes by itself, and nothing else that is right."""

    def reply(request: Request) -> Response:
        WRONG_BALANCE["credits"] += 1
        if request.path.endswith("credits"):
            return json_response(WRONG_BALANCE)
        authorization = request.headers.get("authorization")
        return json_response({"echo": authorization, "object": "list", "data": authorization})

    with scripted_server(reply) as url:
        yield url


def test_differences_are_warnings_unless_the_account_is_exclusive() -> None:
    """Another client could explain a balance; then it is no violation."""
    with wrong_service() as url:
        with exclusive_proxy(url) as proxy:
            [proxy.get("credits") for _ in range(3)]
            (exclusive,) = findings(proxy)
        with start_proxy(url) as proxy:
            [proxy.get("credits") for _ in range(3)]
            (shared,) = findings(proxy)
    assert (exclusive.problem.severity, exclusive.count) == ("violation", 2)
    assert shared.problem.severity == "warning"
    assert "Another client" in shared.problem.message
    assert exclusive.exchange_numbers == [2, 3]


def test_balances_are_compared_only_if_no_other_key_has_paid(
    upstream: LiveHub, proxy: LiveProxy
) -> None:
    """Two keys may be of one account, whose balance then changes for the other key."""
    raw = upstream.server.call(lambda: upstream.backend.add_key("documentation"))
    for _ in range(2):
        proxy.get("credits")
        proxy.generate({}, raw)
        proxy.get("credits")
    assert findings(proxy) == []


LOG = {
    **{"id": "g", "object": "image_generation", "model": "gpt-image-2", "status": "succeeded"},
    **{"quality": "1K", "aspect_ratio": "1:1", "created_at": "2026-04-30T08:00:00Z"},
    **{"images": [], "usage": {"credits": 0}},
}


@pytest.mark.parametrize(
    ("change", "severity", "message"),
    [
        ({"extra": 1}, "warning", "Additional properties are not allowed ('extra' was unexpected)"),
        ({"usage": {"credits": 0, "x": 1}}, "warning", "usage: Additional properties"),
        ({"extra": 1, "quality": 1}, "violation", "quality: 1 is not"),
        ({"extra": 1, "usage": {"credits": -1}}, "violation", "usage/credits: -1 is less than"),
    ],
)
def test_only_fields_beyond_the_spec_are_a_warning(
    change: dict[str, object], severity: str, message: str
) -> None:
    """Also in a response with one schema for each status, and next to a wrong field."""
    with (
        scripted_server(lambda request: json_response({**LOG, **change})) as url,
        start_proxy(url) as proxy,
    ):
        proxy.get("generations/g")
        problem = next(
            one.problem
            for one in findings(proxy)
            if one.problem.kind in ("response_schema", "undocumented_field")
        )
    assert problem.severity == severity
    assert message in problem.message


def test_balance_during_a_generation_is_not_compared() -> None:
    """The service may charge before it responds; what it has charged then is no difference."""
    balance = {**WRONG_BALANCE, "credits": 100}
    has_arrived, may_respond = Event(), Event()

    def reply(request: Request) -> Response:
        if request.method == "POST":
            balance["credits"] = 92
            has_arrived.set()
            may_respond.wait(30)
            return json_response({**LOG, "usage": {"credits": 8}, "balance": balance})
        return json_response(balance)

    with (
        scripted_server(reply) as url,
        exclusive_proxy(url) as proxy,
        ThreadPoolExecutor(1) as threads,
    ):
        proxy.get("credits")
        posted = threads.submit(proxy.generate, {})
        assert has_arrived.wait(30)
        proxy.get("credits")
        may_respond.set()
        posted.result(30)
        proxy.get("credits")
        kinds = {one.problem.kind for one in findings(proxy)}
    assert "unexplained_balance" not in kinds


def test_wrong_path_of_the_target_is_suggested(upstream: LiveHub) -> None:
    with start_proxy(upstream.url + "/wrong") as proxy:
        assert proxy.get("credits").status_code == 404
        (finding,) = findings(proxy)
    assert "Is the path of --target right?" in finding.problem.message


def test_charge_behind_a_gateway_error_is_no_difference() -> None:
    """What a POST has cost whose response is not the API's is not known."""
    balances = iter((100, 92, 92))

    def reply(request: Request) -> Response:
        if request.method == "POST":
            return json_response({"error": {"message": "Bad gateway", "code": "gateway"}}, 502)
        return json_response({**WRONG_BALANCE, "credits": next(balances)})

    with scripted_server(reply) as url, exclusive_proxy(url) as proxy:
        proxy.get("credits")
        proxy.generate({})
        proxy.get("credits")
        proxy.get("credits")
        kinds = {one.problem.kind for one in findings(proxy)}
    assert "unexplained_balance" not in kinds


def test_balance_in_a_poll_is_no_second_charge() -> None:
    """A log may have the balance too, which charges nothing again."""
    balance = {"credits": 92, "account_type": "PRO", "next_expiration": None}
    image = {
        "id": "i",
        "object": "image",
        "url": "http://x/1.png",
        "created_at": "2026-04-30T08:00:00Z",
    }
    log = {**LOG, "images": [image], "usage": {"credits": 8}, "balance": balance}

    def reply(request: Request) -> Response:
        if request.path.endswith("credits"):
            return json_response(balance)
        return json_response(log)

    with scripted_server(reply) as url, exclusive_proxy(url) as proxy:
        proxy.generate({})
        for path in ("generations/g", "credits", "generations/g", "credits"):
            proxy.get(path)
        kinds = {one.problem.kind for one in findings(proxy)}
    assert "unexplained_balance" not in kinds


def test_response_that_strict_replaces_is_lost() -> None:
    """The client has not got what it paid for, so the same request is held back."""
    with wrong_service() as url, start_proxy(url, strict=True, guard=Guard(SPEC, url)) as proxy:
        assert proxy.generate({}).status_code == 502
        assert proxy.generate({}).status_code == 409


def test_strict_turns_violations_into_502() -> None:
    """The client gets the reason, and never the key that the service echoed."""
    with wrong_service() as url, start_proxy(url, strict=True) as proxy:
        response = proxy.get("models")
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (502, "upstreamViolation")
        assert "MOD-8" in error["message"]
        assert "Bearer [redacted]" in error["message"]
        assert proxy.exchanges()[-1].spec_violation
        assert KEY not in f"{error} {proxy.exchanges()}"
        assert proxy.get("credits").status_code == 200


def test_reports_have_every_finding_and_no_key() -> None:
    """JSON, JUnit, HTML and text name the clause, and the service that echoes the key."""
    with wrong_service() as url, exclusive_proxy(url, control=True) as proxy:
        proxy.get("models")
        proxy.get("credits")
        proxy.get("credits")
        reports = [
            proxy.server.call(lambda render=render: render(proxy.api, url))
            for render in (render_json, render_junit, render_html)
        ]
        reports.append(proxy.server.call(lambda: summary(proxy.api)))
        page = proxy.client.get("/_mockhub/hubs/default/report")
        journal = proxy.client.get("/_mockhub/hubs/default/journal").text
    assert "[redacted]" in journal
    assert KEY not in journal
    for text in [*reports, page.text]:
        assert KEY not in text
        assert "AUTH-7" in text
        assert "LED-6" in text
    report = json.loads(reports[0])
    assert report["violations"] == sum(one["severity"] == "violation" for one in report["findings"])
    kinds = [one["kind"] for one in page.json()["findings"]]
    assert "service_key_in_response" in kinds
    assert JUnitXml.fromstring(reports[1].encode()).failures == report["violations"]
    assert f'skipped="{report["warnings"]}"' in reports[1]
    assert reports[2].startswith("<!doctype html>")
