"""Valid and invalid requests that schemathesis generates from the API spec."""

from __future__ import annotations

import copy
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from benchmarks.servers import Server
from mockhub._resources import resource_path
from tests.support.live_server import BODY, JPEG, KEY, PNG, WEBP, read_spec
from tests.support.memory_probe import GENERATED, MemoryProbe, start_server
from tests.support.raw_http import (
    EXAMPLES,
    MODELS,
    TIMEOUT,
    exchange,
    post_request,
    read_until_closed,
)

CASES = max(320, EXAMPLES // 10)
EXPECTED = {
    ("list_models", 200),
    *{("get_credits", status) for status in (200, 401)},
    *{("create_generation", status) for status in (200, 202, 400, 401)},
    *{("get_generation", status) for status in (200, 401, 404)},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start_server() as server:
        yield server


def load_operations(*, generation_id: str) -> list[Any]:
    """Return the operations of the API spec for schemathesis.

    Models, sizes and the id are existing ones: else hardly any request would be accepted.
    """
    spec = read_spec(resource_path("openapi.yaml"))
    document: dict[str, Any] = copy.deepcopy(dict(spec.document.root))
    schemas = document["components"]["schemas"]
    schemas["ModelId"] = {"type": "string", "enum": list(spec.catalog.models)}
    schemas["Size"] = {"type": "string", "enum": ["auto", "1024x1024", "3840x2160"]}
    path_parameters = document["paths"]["/api/v1/generations/{generationId}"]["parameters"]
    path_parameters[0]["examples"] = {"existing": {"value": generation_id}}
    config = schemathesis.Config.from_dict({})  # not the one of the current directory
    schema = schemathesis.openapi.from_dict(document, config=config)
    return [result.ok() for result in schema.get_all_operations()]


class Sender:
    """Sends cases and counts the responses."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()
        self.counts: Counter[tuple[str, int]] = Counter()

    def send(self, case: Any, *, key: bool) -> None:
        headers = {"Authorization": f"Bearer {KEY}"} if key else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the content of a case
            response = case.call(
                base_url=self.server.url, session=self.session, headers=headers, timeout=TIMEOUT
            )
        assert response.status_code < 500, case.as_curl_command()
        self.counts[case.operation.definition.raw["operationId"], response.status_code] += 1
        assert read_until_closed(self.server, MODELS).startswith(b"HTTP/1.1 200 "), (
            case.as_curl_command()
        )


def send_some(sender: Sender, operation: Any, mode: GenerationMode, count: int) -> None:
    """Send *count* cases of an operation, one in four without a key."""

    @seed(0)
    @settings(GENERATED, max_examples=count)
    @given(operation.as_strategy(generation_mode=mode), st.integers(0, 3))
    def send(case: Any, random: int) -> None:
        sender.send(case, key=random > 0)

    try:
        send()
    except Unsatisfiable:
        assert operation.label == "GET /api/v1/models"  # it has no input that could be invalid


def test_no_schemathesis_case_breaks_the_server(server: Server) -> None:
    """No case is answered 5xx or hangs, and memory is bounded."""
    schemathesis.openapi.format("binary", st.sampled_from([PNG, JPEG, WEBP]))
    (response,) = exchange(server, post_request(json.dumps(BODY).encode()))
    sender, memory = Sender(server), MemoryProbe(server)
    for operation in load_operations(generation_id=response.json["id"]):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            send_some(sender, operation, mode, CASES // 8)
    memory.add_generations(
        sender.counts["create_generation", 200] + sender.counts["create_generation", 202]
    )
    memory.assert_bounded()
    memory.print_growth(f"{sum(sender.counts.values()):,} cases of schemathesis")
    assert sender.counts.keys() >= EXPECTED
