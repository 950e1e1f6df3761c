"""What the benchmark says where it cannot measure; its figures are for `make bench`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from benchmarks import peer_files, peers, throughput
from benchmarks.load import Call, Load
from benchmarks.peers import Peer
from benchmarks.requests import MODELS
from benchmarks.servers import Server
from benchmarks.table import mock_servers, throughputs
from benchmarks.throughput import Subject
from mockhub._resources import resource_path
from mockhub.spec.document import load_yaml
from tests.support.live_server import LiveHub

LOADED = Load(100.0, 0.001, 0.002, failed=0), 100


def test_a_refusal_is_no_measurement(hub_server: LiveHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject whose first answer is not 2xx is named with that answer, and misses its target."""
    monkeypatch.setattr(throughput, "run", lambda *_: LOADED)
    server = Server(int(hub_server.url.rpartition(":")[2]), os.getpid(), 0.1)
    nowhere = Subject("nowhere", server, Call("GET", "/api/v1/nowhere"), target=1)
    models = Subject("models", server, MODELS)
    _, refused, measured = throughput.measure(server, [nowhere, models], seconds=1, rounds=1)
    assert (refused.refused, refused.reached) == (404, False)
    assert "**first answer 404**" in throughputs([refused])[-1]
    assert (measured.refused, measured.rate) == (None, 100.0)


def test_a_peer_that_fails_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our own server is measured where one peer is not installed and another ends at once."""
    failing = Peer("failing", "false")
    monkeypatch.setattr(peers, "PEERS", (Peer("absent", "absent"), failing))
    monkeypatch.setattr(Peer, "version", lambda self: "1" if self is failing else None)
    monkeypatch.setattr(peers, "generator", lambda: "wrk")
    for module in peers, throughput:
        monkeypatch.setattr(module, "run", lambda *_: LOADED)
    told = list(peers.measured(seconds=1, rounds=1))
    assert [one.package for one in told] == ["mockhub"]
    assert "| 100 | 1.00 |" in mock_servers(told)[-1]
    printed = capsys.readouterr().out
    assert "absent is left out: not installed (make peers)" in printed
    assert "failing failed: ['false'] ended" in printed


def test_the_older_document_says_the_same(tmp_path: Path) -> None:
    """What peers are given that read no OpenAPI 3.1 is valid 3.0 with the same operations."""
    peer_files.write(tmp_path)
    older = json.loads((tmp_path / peer_files.OLDER).read_text())
    assert list(OpenAPIV30SpecValidator(older).iter_errors()) == []
    law = load_yaml(resource_path("openapi.yaml"))
    assert {at: set(item) for at, item in law["paths"].items()} == {
        at: set(item) for at, item in older["paths"].items()
    }
