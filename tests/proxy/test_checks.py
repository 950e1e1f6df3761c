"""The proxy names what the service does wrong, and accuses no conforming one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from junitparser import JUnitXml

from mockhub._resources import resource_path
from mockhub.mutants.catalog import find
from mockhub.mutants.serving import running
from mockhub.proxy.checks import ExchangeChecks
from mockhub.proxy.findings import Finding
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


def use(proxy: LiveProxy) -> None:
    """Send what a client sends on an ordinary day: every operation, mode and error."""
    proxy.get("models", None)
    proxy.get("credits")
    proxy.get("credits", None)
    proxy.generate({})
    proxy.generate({"n": 3, "size": "2048x2048", "quality": "high"})
    proxy.generate({"n": 3, "prompt": "[[deliver=1]]"})
    proxy.get("credits")
    proxy.generate({"prompt": "[[fail]]"})
    proxy.get("credits")
    proxy.generate({"n": 9})
    proxy.get("credits")
    proxy.get("credits", POOR)
    proxy.generate({}, POOR)
    proxy.generate(data={"model": "gpt-image-2", "prompt": "A"}, files={"reference_image": PNG})
    proxy.get("credits")
    for prompt in ("[[polls=3]]", "[[polls=3 fail]]"):
        created = proxy.generate({"async": True, "n": 3, "prompt": prompt})
        id = created.json().get("id", "")
        for _ in range(5):
            proxy.get(f"generations/{id}")
        proxy.get(f"generations/{id}", OTHER)
        proxy.get(f"generations/{id}", None)
        proxy.get("credits")
    proxy.get("generations/unknown")
    proxy.client.head("/api/v1/models")


def findings(proxy: LiveProxy) -> list[Finding]:
    return proxy.server.call(lambda: list(proxy.api.findings))


def test_conforming_service_has_no_findings(proxy: LiveProxy) -> None:
    """An ordinary day through the proxy shows nothing, not even a warning."""
    use(proxy)
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
    with running(find(name).change) as server, exclusive_proxy(server.url) as proxy:
        with suppress(ValueError):  # a mutant whose response is no JSON ends the day
            use(proxy)
        found = findings(proxy)
    assert clause in {one for finding in found for one in finding.problem.clauses}, found


WRONG_BALANCE = {"credits": 7, "account_type": "PRO", "next_expiration": None}


@contextmanager
def wrong_service() -> Iterator[str]:
    """Serve a balance that changes by itself, and nothing else that is right."""

    def reply(request: Request) -> Response:
        WRONG_BALANCE["credits"] += 1
        if request.path.endswith("credits"):
            return json_response(WRONG_BALANCE)
        return json_response({"echo": request.headers.get("authorization")})

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


def test_strict_turns_violations_into_502() -> None:
    """The client gets the reason, and never the key that the service echoed."""
    with wrong_service() as url, start_proxy(url, strict=True) as proxy:
        response = proxy.get("models")
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (502, "upstreamViolation")
        assert "MOD-8" in error["message"]
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
    assert reports[2].startswith("<!doctype html>")
