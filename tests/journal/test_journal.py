"""The journal: bounded, without keys, and in forms that other tools read."""

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

from mockhub.journal.journal import Journal
from tests.conftest import NODE
from tests.support.live_server import BODY, KEY, PNG, POOR, LiveHub, serve_hub

JOURNAL = "/_mockhub/hubs/default/journal"
HAR_SCHEMAS = NODE / "node_modules" / "har-schema" / "lib"


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


def journal(hub: LiveHub, query: str = "") -> Any:
    return hub.client.get(f"{JOURNAL}?{query}").json()


def exchanges(hub: LiveHub, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = journal(hub, query)["exchanges"]
    return found


def test_an_exchange_is_what_the_client_saw(hub: LiveHub) -> None:
    """Request and answer with headers and bodies, the ledger's delta, the key by its name."""
    answer = hub.generate({"n": 2})
    (told,) = exchanges(hub)
    assert (
        told["operation"],
        told["account"],
        told["key"],
        told["status"],
        told["credits"],
    ) == ("create_generation", "documentation", "documentation", 200, -16)
    assert answer.json() == json.loads(told["response"]["body"]["text"])
    assert json.loads(told["request"]["body"]["text"]) == {**BODY, "n": 2}
    assert answer.json()["id"] == told["generation"]
    assert told["request"]["headers"]["authorization"] == "Bearer [redacted]"


def test_filters_add_up(hub: LiveHub) -> None:
    """Operation, status, account, generation and number each leave what fits."""
    id = hub.generate({}).json()["id"]
    hub.generate({}, key=POOR)
    hub.get("credits")
    assert [one["number"] for one in exchanges(hub, "operation=create_generation")] == [1, 2]
    assert [one["number"] for one in exchanges(hub, "status=402&account=poor")] == [2]
    assert exchanges(hub, "status=402&account=documentation") == []
    assert [one["number"] for one in exchanges(hub, f"generation={id}")] == [1]
    assert [one["number"] for one in exchanges(hub, "since=2")] == [3]
    assert [one["number"] for one in exchanges(hub, "limit=2")] == [2, 3]


def test_long_bodies_are_their_digest(hub: LiveHub) -> None:
    """Over 4096 bytes a body is length and SHA-256; a form always is."""
    hub.generate({"prompt": 5000 * "x"})
    hub.generate(data=BODY, files={"reference_image": ("a.png", PNG)})
    for told in exchanges(hub):
        body = told["request"]["body"]
        assert (body["text"], len(body["sha256"])) == (None, 64)


def test_the_journal_is_bounded(hub: LiveHub) -> None:
    """By number and by bytes; the oldest go first, and the numbers go on."""
    hub.backend.journal = Journal(max_exchanges=3, max_bytes=10_000)
    for _ in range(5):
        hub.get("credits")
    assert [one["number"] for one in exchanges(hub)] == [3, 4, 5]
    for _ in range(4):
        hub.generate({"prompt": 3500 * "x"})
    assert journal(hub)["total"] == 9
    assert len(exchanges(hub)) < 3


def test_clearing_forgets(hub: LiveHub) -> None:
    """Exchanges and counts are gone, the numbering goes on."""
    hub.get("credits")
    assert hub.client.delete(JOURNAL).json() == {"deleted": "1 exchanges"}
    assert exchanges(hub) == []
    hub.get("credits")
    assert [one["number"] for one in exchanges(hub)] == [2]
    report = hub.client.get("/_mockhub/hubs/default/report").json()
    assert report["coverage"]["operations"]["get_credits"] == 1


def spill(hub: LiveHub, key: str) -> None:
    """Send a key to every place where a careless client could put it."""
    hub.get("credits", key)
    hub.get(f"credits?key={key}", key)
    hub.get(f"generations/{key}", key)
    hub.client.get(f"/{key}")
    hub.generate({"prompt": f"my key is {key}", key: 1}, key)
    hub.generate({"prompt": 5000 * "x" + key}, key)
    hub.generate(content=f'{{"model": "{key}"}}', key=key)
    hub.get("credits", None, headers={"X-Api-Key": key, "Cookie": f"key={key}"})


def test_no_key_is_in_any_export(hub: LiveHub) -> None:
    """Whatever a client does with its key, no form of the journal and no report shows it."""
    spill(hub, KEY)
    assert journal(hub)["total"] == 8
    for query in ("", "format=har", "format=curl"):
        assert KEY not in hub.client.get(f"{JOURNAL}?{query}").text
    for form in ("json", "text"):
        assert KEY not in hub.client.get(f"/_mockhub/hubs/default/report?format={form}").text
    assert KEY not in hub.client.get("/_mockhub/hubs/default/keys").text
    assert KEY not in hub.client.get("/_mockhub/hubs/default/generations").text
    assert KEY not in hub.client.get("/_mockhub/metrics").text


def test_a_key_that_was_made_is_in_no_memory(hub: LiveHub) -> None:
    """After its one answer the raw key is in nothing that the server holds (AUTH-7)."""
    where = "/_mockhub/hubs/default/keys"
    key = hub.client.post(where, json={"account": "low", "name": "fresh"}).json()["key"]
    hub.generate({"async": True}, key)
    hub.client.delete(f"{where}/fresh")
    hub.get("credits", key)
    hub.client.get("/api/v1/models")  # a connection keeps the request that it serves
    assert held(hub, key) == []
    hub.backend.accounts["low"].account_type = f"a {key} b"
    assert [f"a {key} b"] == held(hub, key)  # the search does find


def held(hub: LiveHub, key: str) -> list[str]:
    """Every text with the key in it that can be reached from the server."""
    seen: set[int] = set()
    found = []
    queue: list[object] = [hub.app, hub.server, hub.app.api.hub_registry]
    while queue:
        for one in gc.get_referents(queue.pop()):
            if id(one) in seen or isinstance(one, (type, ModuleType, FunctionType)):
                continue
            seen.add(id(one))
            queue.append(one)
            text = one.decode("latin-1") if isinstance(one, (bytes, bytearray)) else one
            if isinstance(text, str) and key in text:
                found.append(text)
    return found


# -- the archive -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def har() -> jsonschema.Draft6Validator:
    """The schema of HTTP archives 1.2, as its own project publishes it."""
    if not HAR_SCHEMAS.is_dir():
        pytest.skip("the packages of tests/node are not installed; `make env` does it")
    files = {file.name: json.loads(file.read_text()) for file in HAR_SCHEMAS.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        [(name, Resource.from_contents(schema)) for name, schema in files.items()]
    )
    return jsonschema.Draft6Validator(files["har.json"], registry=registry)


def test_the_archive_is_valid(hub: LiveHub, har: Any) -> None:
    """Successes, refusals, lost answers, forms and long bodies make a valid HAR 1.2."""
    spill(hub, KEY)
    hub.generate(data=BODY, files={"reference_image": ("a.png", PNG)})
    with pytest.raises(httpx.TransportError):
        hub.generate({"prompt": "[[reset@after]]"})
    archive = hub.client.get(f"{JOURNAL}?format=har").json()
    assert len(archive["log"]["entries"]) == 10
    assert [error.message for error in har.iter_errors(archive)] == []
    lost = archive["log"]["entries"][-1]
    assert (lost["response"]["status"], lost["_credits"]) == (0, -8)


def test_the_archives_schema_is_awake(har: Any) -> None:
    """An archive without its version is refused."""
    assert list(har.iter_errors({"log": {"creator": {}, "entries": [{}]}})) != []


# -- curl --------------------------------------------------------------------------------------


def test_commands_run_when_pasted(hub: LiveHub, tmp_path: Any) -> None:
    """Each command does again what was done, with the key from the environment."""
    hub.get("credits")
    hub.generate({"prompt": 'it\'s "quoted" $HOME `x`\nüñí'})
    hub.generate({"prompt": 5000 * "x", "async": True})
    hub.generate(data={**BODY, "prompt": "@form;x=1"}, files={"reference_image": ("a.png", PNG)})
    hub.client.get("/api/v1/models?a=1&b=2")
    script = hub.client.get(f"{JOURNAL}?format=curl").text
    (tmp_path / "reference-1.png").write_bytes(PNG)
    done = subprocess.run(
        ["bash", "-euc", 'curl() { command curl -sS --fail "$@"; }\n' + script],
        cwd=tmp_path,
        env=os.environ | {"MOCKHUB_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, again = exchanges(hub)[:5], exchanges(hub)[5:]
    told = ("method", "target", "operation", "status", "credits")
    assert [[one[name] for name in told] for one in first] == [
        [one[name] for name in told] for one in again
    ]
    asked = [one.request for one in hub.backend.generations.values()][1:]
    assert asked[:3] == asked[3:]


def test_an_unread_body_is_told(hub: LiveHub) -> None:
    """Where a fault came before the body was read, the command says so."""
    hub.generate({"prompt": "x"}, headers={"X-Mockhub": "status=503"})
    script = hub.client.get(f"{JOURNAL}?format=curl").text
    assert "answered 503; its body was not read (" in script
    assert "-H 'x-mockhub: status=503'" in script
