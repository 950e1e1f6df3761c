"""The journal: bounds, redaction, and export as HAR and curl commands."""

from __future__ import annotations

import gc
import json
import os
import subprocess
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import httpx
import jsonschema
import pytest
from referencing import Registry, Resource

from mockhub.journal.exchange import Exchange, StoredBody
from mockhub.journal.journal import Journal
from tests.support.live_server import BODY, KEY, PNG, POOR, LiveHub, serve_hub
from tests.support.tools import require_node_package

JOURNAL = "/_mockhub/hubs/default/journal"


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


def get_journal(hub: LiveHub, query: str = "") -> Any:
    return hub.client.get(f"{JOURNAL}?{query}").json()


def get_exchanges(hub: LiveHub, query: str = "") -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = get_journal(hub, query)["exchanges"]
    return exchanges


def get_numbers(hub: LiveHub, query: str = "") -> list[int]:
    return [exchange["number"] for exchange in get_exchanges(hub, query)]


def test_exchange_shows_what_the_client_saw(hub: LiveHub) -> None:
    """It has headers and bodies, the change of the balance, and the name of the key."""
    response = hub.generate({"n": 2})
    (exchange,) = get_exchanges(hub)
    assert (
        exchange["operation"],
        exchange["account"],
        exchange["key"],
        exchange["status"],
        exchange["credits"],
    ) == ("create_generation", "documentation", "documentation", 200, -16)
    assert response.json() == json.loads(exchange["response"]["body"]["text"])
    assert json.loads(exchange["request"]["body"]["text"]) == {**BODY, "n": 2}
    assert response.json()["id"] == exchange["generation"]
    assert exchange["request"]["headers"]["authorization"] == "Bearer [redacted]"


def test_filters_can_be_combined(hub: LiveHub) -> None:
    """Operation, status, account, generation and number each keep what matches."""
    generation_id = hub.generate({}).json()["id"]
    hub.generate({}, key=POOR)
    hub.get("credits")
    assert get_numbers(hub, "operation=create_generation") == [1, 2]
    assert get_numbers(hub, "status=402&account=poor") == [2]
    assert get_exchanges(hub, "status=402&account=documentation") == []
    assert get_numbers(hub, f"generation={generation_id}") == [1]
    assert get_numbers(hub, "since=2") == [3]
    assert get_numbers(hub, "limit=2") == [2, 3]


def test_long_bodies_are_stored_as_digest(hub: LiveHub) -> None:
    """Over 4096 bytes a body is its length and SHA-256; a form always is."""
    hub.generate({"prompt": 5000 * "x"})
    hub.generate(data=BODY, files={"reference_image": ("a.png", PNG)})
    for exchange in get_exchanges(hub):
        body = exchange["request"]["body"]
        assert (body["text"], len(body["sha256"])) == (None, 64)


def test_journal_is_bounded(hub: LiveHub) -> None:
    """The number and the bytes are bounded; the oldest are evicted first, and numbers continue."""
    hub.backend.journal = Journal(max_exchanges=3, max_bytes=10_000)
    for _ in range(5):
        hub.get("credits")
    assert get_numbers(hub) == [3, 4, 5]
    for _ in range(4):
        hub.generate({"prompt": 3500 * "x"})
    assert get_journal(hub)["total"] == 9
    assert len(get_exchanges(hub)) < 3


def test_reading_changes_nothing() -> None:
    """Exchanges that arrive while the journal is read are kept."""
    journal = Journal()
    exchange = make_exchange()

    class Source:
        size, coverage_key = exchange.size, exchange.coverage_key
        created_generation = None

        def to_exchange(self) -> Exchange:
            journal.add(exchange)  # as another thread might
            return exchange

    journal.add(Source())
    assert list(journal) == [exchange]
    assert len(journal) == journal.total == 2
    assert list(journal) == [exchange, exchange]


def make_exchange() -> Exchange:
    """Return an exchange with a body of 10 bytes each way."""
    body = StoredBody(10, bytes(10))
    return Exchange(
        *(1, 0, "GET", "/", "get_credits", "rich", None, {}, body, 200, (), body),
        *(0, (), 1.0, False, None),
    )


def test_clear_removes_exchanges_and_counts(hub: LiveHub) -> None:
    """Exchanges and counts are removed, and numbers continue."""
    hub.get("credits")
    assert hub.client.delete(JOURNAL).json() == {"deleted": "1 exchanges"}
    assert get_exchanges(hub) == []
    hub.get("credits")
    assert get_numbers(hub) == [2]
    report = hub.client.get("/_mockhub/hubs/default/report").json()
    assert report["coverage"]["operations"]["get_credits"] == 1


def send_key_everywhere(hub: LiveHub, key: str) -> None:
    """Send a key wherever a careless client could put it."""
    hub.get("credits", key)
    hub.get(f"credits?key={key}", key)
    hub.get(f"generations/{key}", key)
    hub.client.get(f"/{key}")
    hub.generate({"prompt": f"my key is {key}", key: 1}, key)
    hub.generate({"prompt": 5000 * "x" + key}, key)
    hub.generate(content=f'{{"model": "{key}"}}', key=key)
    hub.get("credits", None, headers={"X-Api-Key": key, "Cookie": f"key={key}"})


def test_no_export_contains_a_key(hub: LiveHub) -> None:
    """No form of the journal and no report shows a key, wherever the client sends it."""
    send_key_everywhere(hub, KEY)
    assert get_journal(hub)["total"] == 8
    for query in ("", "format=har", "format=curl"):
        assert KEY not in hub.client.get(f"{JOURNAL}?{query}").text
    for form in ("json", "text"):
        assert KEY not in hub.client.get(f"/_mockhub/hubs/default/report?format={form}").text
    assert KEY not in hub.client.get("/_mockhub/hubs/default/keys").text
    assert KEY not in hub.client.get("/_mockhub/hubs/default/generations").text
    assert KEY not in hub.client.get("/_mockhub/metrics").text


def test_created_key_is_not_kept_in_memory(hub: LiveHub) -> None:
    """After its one response the raw key is in nothing that the server holds (AUTH-7)."""
    path = "/_mockhub/hubs/default/keys"
    key = hub.client.post(path, json={"account": "low", "name": "fresh"}).json()["key"]
    hub.generate({"async": True}, key)
    hub.client.delete(f"{path}/fresh")
    hub.get("credits", key)
    hub.client.get("/api/v1/models")  # a connection keeps the request that it serves
    assert find_in_memory(hub, key) == []
    hub.backend.accounts["low"].account_type = f"a {key} b"
    assert find_in_memory(hub, key) == [f"a {key} b"]  # the search works


def find_in_memory(hub: LiveHub, key: str) -> list[str]:
    """Return every text with the key in it that can be reached from the server."""
    visited_ids: set[int] = set()
    values = []
    queue: list[object] = [hub.app, hub.server, hub.app.api.hub_registry]
    while queue:
        for referent in gc.get_referents(queue.pop()):
            if id(referent) in visited_ids or isinstance(
                referent, (type, ModuleType, FunctionType)
            ):
                continue
            visited_ids.add(id(referent))
            queue.append(referent)
            is_bytes = isinstance(referent, (bytes, bytearray))
            text = referent.decode("latin-1") if is_bytes else referent
            if isinstance(text, str) and key in text:
                values.append(text)
    return values


# -- HAR ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def har_schema() -> jsonschema.Draft6Validator:
    """Return the published schema of HTTP archives 1.2."""
    schemas = require_node_package("har-schema") / "lib"
    files = {file.name: json.loads(file.read_text()) for file in schemas.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        [(name, Resource.from_contents(schema)) for name, schema in files.items()]
    )
    return jsonschema.Draft6Validator(files["har.json"], registry=registry)


def test_har_is_valid(hub: LiveHub, har_schema: Any) -> None:
    """Successes, errors, lost responses, forms and long bodies make a valid HAR 1.2."""
    send_key_everywhere(hub, KEY)
    hub.generate(data=BODY, files={"reference_image": ("a.png", PNG)})
    with pytest.raises(httpx.TransportError):
        hub.generate({"prompt": "[[reset@after]]"})
    archive = hub.client.get(f"{JOURNAL}?format=har").json()
    assert len(archive["log"]["entries"]) == 10
    assert [error.message for error in har_schema.iter_errors(archive)] == []
    lost = archive["log"]["entries"][-1]
    assert (lost["response"]["status"], lost["_credits"]) == (0, -8)


def test_har_schema_rejects_an_invalid_archive(har_schema: Any) -> None:
    """An archive without its version is invalid."""
    assert list(har_schema.iter_errors({"log": {"creator": {}, "entries": [{}]}})) != []


def test_har_has_the_url_as_it_was_sent(hub: LiveHub) -> None:
    """It is neither decoded nor repeats the prefix of the hub."""
    for target in ("/api/v1/generations/%5B1%2f2%5d?a=%41", "/hubs/default/api/v1/models?x="):
        url = httpx.URL(hub.url, raw_path=target.encode())
        hub.client.send(hub.client.build_request("GET", url))
    entries = hub.client.get(f"{JOURNAL}?format=har").json()["log"]["entries"]
    assert [entry["request"]["url"] for entry in entries] == [
        f"{hub.url}/api/v1/generations/%5B1%2f2%5d?a=%41",
        f"{hub.url}/hubs/default/api/v1/models?x=",
    ]
    assert entries[0]["request"]["queryString"] == [{"name": "a", "value": "A"}]


# -- curl --------------------------------------------------------------------------------------


def test_curl_commands_repeat_the_requests(hub: LiveHub, tmp_path: Any) -> None:
    """Each command sends the same request again, with the key from the environment."""
    hub.get("credits")
    hub.generate({"prompt": 'it\'s "quoted" $HOME `x`\nüñí'})
    hub.generate({"prompt": 5000 * "x", "async": True})
    hub.generate(data={**BODY, "prompt": "@form;x=1"}, files={"reference_image": ("a.png", PNG)})
    hub.client.get("/api/v1/models?a=1&b=2")
    script = hub.client.get(f"{JOURNAL}?format=curl").text
    (tmp_path / "reference-1.png").write_bytes(PNG)
    completed = subprocess.run(
        ["bash", "-euc", 'curl() { command curl -sS --fail "$@"; }\n' + script],
        cwd=tmp_path,
        env=os.environ | {"MOCKHUB_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    names = ("method", "target", "operation", "status", "credits")
    sent = [[exchange[name] for name in names] for exchange in get_exchanges(hub)]
    assert sent[5:] == sent[:5]
    requests = [generation.request for generation in hub.backend.generations.values()][1:]
    assert requests[3:] == requests[:3]


def test_curl_command_notes_an_unread_body(hub: LiveHub) -> None:
    """The command says so if a fault fired before the body was read."""
    hub.generate({"prompt": "x"}, headers={"X-Mockhub": "status=503"})
    script = hub.client.get(f"{JOURNAL}?format=curl").text
    assert "answered 503; its body was not read (" in script
    assert "-H 'x-mockhub: status=503'" in script
