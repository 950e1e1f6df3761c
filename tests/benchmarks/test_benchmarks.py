"""Benchmarks report what they cannot measure; `make bench` runs the measurements."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from benchmarks import peer_files, peers, throughput
from benchmarks.load import LoadResult, RequestTemplate
from benchmarks.peers import Peer
from benchmarks.requests import MODELS
from benchmarks.servers import Server
from benchmarks.table import mock_server_table, throughput_table
from benchmarks.throughput import Subject
from mockhub._resources import resource_path
from mockhub.spec.config_file import load_yaml
from tests.support.live_server import LiveHub

RESULT = LoadResult(100.0, 0.001, 0.002, failed=0), 100


def test_error_response_is_not_measured(
    hub_server: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject whose first response is not 2xx is listed with it, and misses its target."""
    monkeypatch.setattr(throughput, "run", lambda *_: RESULT)
    server = Server(int(hub_server.url.rpartition(":")[2]), os.getpid(), 0.1)
    nowhere = Subject("nowhere", server, RequestTemplate("GET", "/api/v1/nowhere"), target=1)
    models = Subject("models", server, MODELS)
    _, failed, measured = throughput.measure(server, [nowhere, models], seconds=1, rounds=1)
    assert (failed.failed_status, failed.reached) == (404, False)
    assert "**first response 404**" in throughput_table([failed])[-1]
    assert (measured.failed_status, measured.rate) == (None, 100.0)


def test_failed_peer_does_not_stop_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our own server is measured although one peer is not installed and another exits."""
    failing = Peer("failing", "false")
    monkeypatch.setattr(peers, "PEERS", (Peer("absent", "absent"), failing))
    monkeypatch.setattr(Peer, "version", lambda self: "1" if self is failing else None)
    monkeypatch.setattr(peers, "generator", lambda: "wrk")
    for module in peers, throughput:
        monkeypatch.setattr(module, "run", lambda *_: RESULT)
    rows = list(peers.measure_peers(seconds=1, rounds=1))
    assert [row.package for row in rows] == ["mockhub"]
    assert "| 100 | 1.00 |" in mock_server_table(rows)[-1]
    printed = capsys.readouterr().out
    assert "absent is left out: not installed (make peers)" in printed
    assert "failing failed: ['false'] exited" in printed


def test_openapi_3_0_document_has_the_same_operations(tmp_path: Path) -> None:
    """The document for peers without OpenAPI 3.1 is valid 3.0 with the same operations."""
    peer_files.write(tmp_path)
    older = json.loads((tmp_path / peer_files.OPENAPI_3_0).read_text())
    assert list(OpenAPIV30SpecValidator(older).iter_errors()) == []
    spec = load_yaml(resource_path("openapi.yaml"))
    assert {path: set(item) for path, item in spec["paths"].items()} == {
        path: set(item) for path, item in older["paths"].items()
    }
