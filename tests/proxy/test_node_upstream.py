"""The proxy in front of a service in Node, which writes HTTP and JSON in its own way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockhub._resources import resource_path
from mockhub.proxy.checks import ExchangeChecks
from tests.proxy.support import LiveProxy, start_proxy
from tests.support.live_server import read_spec
from tests.support.tools import require


@pytest.fixture
def proxy() -> Iterator[LiveProxy]:
    node = require("node")
    checks = ExchangeChecks(read_spec(resource_path("openapi.yaml")), exclusive=True)
    script = Path(__file__).with_name("upstream.js")
    with subprocess.Popen([node, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            target = f"http://127.0.0.1:{process.stdout.readline().strip()}/api/v1"
            with start_proxy(target, checks=checks, rewrite_images=True) as proxy:
                yield proxy
        finally:
            process.kill()


def test_service_in_node_is_forwarded_and_checked(proxy: LiveProxy) -> None:
    """Compressed JSON with escapes is readable, its URLs lead here, and a wrong charge is found."""
    assert proxy.get("credits").json()["credits"] == 500
    (image,) = proxy.generate({}).json()["images"]
    assert image["url"].startswith(proxy.url + "/images/node-1/")
    job = proxy.generate({"async": True, "n": 2}).json()
    assert job["poll_url"] == f"{proxy.url}/api/v1/generations/{job['id']}"
    assert proxy.get(f"generations/{job['id']}").json()["status"] == "succeeded"
    assert proxy.get("credits").json()["credits"] == 500 - 24
    assert proxy.get("generations/none").status_code == 404
    assert proxy.server.call(lambda: [one.as_json() for one in proxy.api.findings]) == []
    proxy.generate({"prompt": "overcharge"})
    (finding,) = proxy.server.call(lambda: list(proxy.api.findings))
    assert (finding.problem.kind, finding.problem.clauses) == (
        "unexplained_balance",
        ("GEN-7", "LED-1"),
    )
