"""Requests that schemathesis makes from the law, good ones and bad ones, over a real socket."""

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
    PATIENCE,
    exchange,
    post_request,
    read_until_closed,
)

CASES = max(320, EXAMPLES // 10)
MET = {
    ("list_models", 200),
    *{("get_credits", status) for status in (200, 401)},
    *{("create_generation", status) for status in (200, 202, 400, 401)},
    *{("get_generation", status) for status in (200, 401, 404)},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start_server() as one:
        yield one


def operations(*, made: str) -> list[Any]:
    """The law's operations as schemathesis sees them, with models and sizes that there are.

    Without those hardly a request would be taken; *made* is a generation that there is.
    """
    law = read_spec(resource_path("openapi.yaml"))
    document: dict[str, Any] = copy.deepcopy(dict(law.document.root))
    schemas = document["components"]["schemas"]
    schemas["ModelId"] = {"type": "string", "enum": list(law.catalog.models)}
    schemas["Size"] = {"type": "string", "enum": ["auto", "1024x1024", "3840x2160"]}
    of_path = document["paths"]["/api/v1/generations/{generationId}"]["parameters"]
    of_path[0]["example"] = made
    config = schemathesis.Config.from_dict({})  # not that of the folder it runs in
    schema = schemathesis.openapi.from_dict(document, config=config)
    return [found.ok() for found in schema.get_all_operations()]


class Sender:
    """Sends cases and notes the answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()
        self.seen: Counter[tuple[str, int]] = Counter()

    def send(self, case: Any, *, key: bool) -> None:
        headers = {"Authorization": f"Bearer {KEY}"} if key else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a case makes of itself
            answer = case.call(
                base_url=self.server.url, session=self.session, headers=headers, timeout=PATIENCE
            )
        assert answer.status_code < 500, case.as_curl_command()
        self.seen[case.operation.definition.raw["operationId"], answer.status_code] += 1
        assert read_until_closed(self.server, MODELS).startswith(b"HTTP/1.1 200 "), (
            case.as_curl_command()
        )


def send_some(sender: Sender, operation: Any, mode: GenerationMode, count: int) -> None:
    """Send *count* cases of an operation, with and without a good key."""

    @seed(0)
    @settings(GENERATED, max_examples=count)
    @given(operation.as_strategy(generation_mode=mode), st.integers(0, 3))
    def send(case: Any, chance: int) -> None:
        sender.send(case, key=chance > 0)

    try:
        send()
    except Unsatisfiable:
        assert operation.label == "GET /api/v1/models"  # there is nothing that could be bad


def test_no_case_of_the_law_breaks_the_server(server: Server) -> None:
    """Whatever schemathesis thinks of, nothing is a 5xx, nothing hangs, and memory has bounds."""
    schemathesis.openapi.format("binary", st.sampled_from([PNG, JPEG, WEBP]))
    (made,) = exchange(server, post_request(json.dumps(BODY).encode()))
    sender, memory = Sender(server), MemoryProbe(server)
    for operation in operations(made=made.json["id"]):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            send_some(sender, operation, mode, CASES // 8)
    memory.add_generations(
        sender.seen["create_generation", 200] + sender.seen["create_generation", 202]
    )
    memory.assert_bounded()
    memory.print_growth(f"{sum(sender.seen.values()):,} cases of schemathesis")
    assert sender.seen.keys() >= MET
