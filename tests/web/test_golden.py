"""The documentation's own commands, run with curl against the mock."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockhub._resources import resource_path
from tests.support.live_server import PNG, serve_hub
from tests.support.tools import needs_curl

PUBLISHED_HOST = "https://www.gptimagehub.com"
EXCHANGES = sorted(resource_path("fixtures/golden").glob("*.yaml"))
COMMANDS = [file for file in EXCHANGES if "curl:" in file.read_text("utf-8")]


def run(command: str, url: str, folder: Path) -> tuple[int, Any]:
    """Run a published command with only its host changed."""
    (folder / "reference.png").write_bytes(PNG)
    command_line = command.strip() + " -s -w '\n%{http_code}'"
    completed = subprocess.run(
        ["bash", "-c", command_line.replace(PUBLISHED_HOST, url)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = completed.stdout.rpartition("\n")
    return int(status), json.loads(body)


def without(content: Any, varies: list[str]) -> Any:
    """Return *content* with the values that may differ blanked; each of them must be present."""
    for place in varies:
        node, *_, last = [content, *place.split(".")]
        for step in place.split(".")[:-1]:
            node = node[int(step)] if isinstance(node, list) else node[step]
        assert node[last], f"{place} is empty"
        node[last] = "..."
    return content


@needs_curl
@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.stem)
def test_published_commands_get_the_published_responses(file: Path, tmp_path: Path) -> None:
    """Each curl command of the documentation, with another host, gets the documented response."""
    exchange = yaml.safe_load(file.read_text("utf-8"))
    with serve_hub() as server:
        status, response = run(exchange["curl"], server.url, tmp_path)
    assert exchange["status"] == status
    if "response" in exchange:
        published = without(json.loads(exchange["response"]), exchange["varies"])
        assert without(response, exchange["varies"]) == published


@needs_curl
def test_first_image_leaves_112_credits(tmp_path: Path) -> None:
    """The first image of the published account costs 8 of its 120 credits."""
    exchanges = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in COMMANDS}
    with serve_hub() as server:
        before = run(exchanges["credits"]["curl"], server.url, tmp_path)[1]["credits"]
        response = run(exchanges["json-call"]["curl"], server.url, tmp_path)[1]
        after = run(exchanges["credits"]["curl"], server.url, tmp_path)[1]["credits"]
    assert (before, response["balance"]["credits"], after) == (120, 112, 112)


@needs_curl
def test_published_generation_can_be_retrieved(tmp_path: Path) -> None:
    """The documentation's generation exists at the start, with its published time."""
    exchange = yaml.safe_load(
        (resource_path("fixtures/golden") / "retrieve.yaml").read_text("utf-8")
    )
    with serve_hub() as server:
        response = run(exchange["curl"], server.url, tmp_path)[1]
    assert response["id"] == "clx_generation_log_id"
    assert response["created_at"] == "2026-04-30T08:00:00.000Z"
    assert (
        response["status"],
        response["usage"]["credits"],
        len(response["images"]),
    ) == ("succeeded", 8, 1)


def test_errors_have_the_published_shape() -> None:
    """An error is {error: {message, code}} and nothing else, as published."""
    exchange = yaml.safe_load((resource_path("fixtures/golden") / "error.yaml").read_text("utf-8"))
    with serve_hub() as server:
        response = server.generate({"n": 5})
    assert exchange["status"] == response.status_code
    published = without(json.loads(exchange["response"]), exchange["varies"])
    assert without(response.json(), exchange["varies"]) == published


def test_every_published_example_matches_the_spec() -> None:
    """The published responses match the schemas of the API spec."""
    from mockhub.spec.api_spec import load_spec

    spec = load_spec(resource_path("openapi.yaml"))
    for operation in spec.operations.values():
        for status, examples in operation.examples.items():
            for name, example in examples.items():
                assert operation.responses[status].is_valid(example), (operation.id, status, name)
