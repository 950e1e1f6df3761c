"""The control plane over HTTP: every operation and its effect on a hub."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any

import httpx
import pytest
from PIL import Image

from mockhub._numbers import MAX_GENERATIONS, MAX_INTEGER
from mockhub.control import OPENAPI_FILE
from mockhub.domain.clock import SystemClock
from mockhub.spec.document import load_document
from mockhub.spec.operations import OperationId, compile_operations
from tests.support.live_server import BODY, IMAGE_PATH, KEY, POOR, RICH, LiveHub, serve_hub

HUB = "/hubs/default"
OPERATIONS = {
    operation.id: operation for operation in compile_operations(load_document(OPENAPI_FILE))
}

# One call of each operation that succeeds in the default scenario, in a suitable order.
CALLS: dict[str, tuple[str, Any]] = {
    "get_health": ("/health", None),
    "get_server": ("/server", None),
    "get_metrics": ("/metrics", None),
    "get_openapi": ("/control.yaml", None),
    "list_assumptions": ("/assumptions", None),
    "list_clauses": ("/clauses", None),
    "list_scenarios": ("/scenarios", None),
    "list_fault_types": ("/fault-types", None),
    "list_hubs": ("/hubs", None),
    "create_hub": ("/hubs", {"name": "t1"}),
    "get_hub": (HUB, None),
    "update_hub": (HUB, {"image_format": "webp"}),
    "fork_hub": (f"{HUB}/fork", {"name": "t2"}),
    "delete_hub": ("/hubs/t2", None),
    "list_accounts": (f"{HUB}/accounts", None),
    "create_account": (f"{HUB}/accounts", {"id": "new"}),
    "get_account": (f"{HUB}/accounts/new", None),
    "grant_credits": (f"{HUB}/accounts/new/grants", {"credits": 5}),
    "list_entries": (f"{HUB}/accounts/new/entries", None),
    "list_keys": (f"{HUB}/keys", None),
    "create_key": (f"{HUB}/keys", {"account": "new"}),
    "expire_key": (f"{HUB}/keys/new", {"expires_in": "1h"}),
    "revoke_key": (f"{HUB}/keys/new", None),
    "list_generations": (f"{HUB}/generations", None),
    "get_generation": (f"{HUB}/generations/clx_generation_log_id", None),
    "get_preview": (f"{HUB}{IMAGE_PATH}", None),
    "get_provider": (f"{HUB}/provider", None),
    "set_provider_script": (f"{HUB}/provider", {"script": ["fail"]}),
    "list_faults": (f"{HUB}/faults", None),
    "arm_fault": (f"{HUB}/faults", {"fault": "reset"}),
    "disarm_fault": (f"{HUB}/faults/1", None),
    "clear_faults": (f"{HUB}/faults", None),
    "get_clock": (f"{HUB}/clock", None),
    "update_clock": (f"{HUB}/clock", {"mode": "hold"}),
    "advance_clock": (f"{HUB}/clock/advance", {"by": "2s"}),
    "set_clock": (f"{HUB}/clock/set", {"to": "2026-05-01T00:00:00Z"}),
    "advance_to_next_event": (f"{HUB}/clock/next", None),
    "get_journal": (f"{HUB}/journal", None),
    "send_request": (f"{HUB}/requests", {"method": "GET", "target": "/api/v1/models"}),
    "get_exchange": (f"{HUB}/journal/1", None),
    "clear_journal": (f"{HUB}/journal", None),
    "get_report": (f"{HUB}/report", None),
    "reset_hub": (f"{HUB}/reset", None),
}


@pytest.fixture
def hub() -> Iterator[LiveHub]:
    with serve_hub(control=True) as running:
        yield running


def send_request(hub: LiveHub, method: str, path: str, json: Any = None) -> httpx.Response:
    return hub.client.request(method, f"/_mockhub{path}", json=json)


def call(hub: LiveHub, method: str, path: str, json: Any = None) -> Any:
    response = send_request(hub, method, path, json)
    assert response.is_success, response.text
    return response.json()


def call_error(hub: LiveHub, method: str, path: str, json: Any = None) -> tuple[int, str, str]:
    response = send_request(hub, method, path, json)
    error = response.json()["error"]
    assert error.keys() == {"code", "message"}
    return response.status_code, error["code"], error["message"]


def test_every_operation_is_served(hub: LiveHub) -> None:
    """Each operation of control.yaml returns its success status."""
    # Shown below, and in test_events.py.
    assert OPERATIONS.keys() - CALLS.keys() == {"complete_generation", "stream_events"}
    for id, (path, body) in CALLS.items():
        response = send_request(hub, OPERATIONS[id].method, path, body)
        success = next(status for status in OPERATIONS[id].responses if status < 300)
        assert (id, response.status_code) == (id, success), response.text


# -- hubs ----------------------------------------------------------------------------------------


def test_plain_hub_is_found_by_its_key_alone(hub: LiveHub) -> None:
    """The key of a new hub selects it without a prefix. The default hub does not change."""
    created = call(hub, "POST", "/hubs", {"credits": 20})
    assert hub.credits(created["key"]) == 20
    assert hub.generate({}, key=created["key"]).status_code == 200
    assert (hub.credits(created["key"]), hub.credits()) == (12, 120)
    assert created["hub"]["name"] == "hub-1"


def test_hub_of_a_scenario_is_found_by_its_url(hub: LiveHub) -> None:
    """The keys of a scenario work under the URL of the hub, with the clock of the request."""
    definition = {"name": "slow", "scenario": "slow", "clock": {"now": "2027-01-01T00:00:00Z"}}
    created = call(hub, "POST", "/hubs", definition)
    assert "key" not in created
    assert created["hub"]["clock"]["now"] == "2027-01-01T00:00:00.000Z"
    credits = hub.client.get(
        f"{created['hub']['base_url']}/credits", headers={"Authorization": f"Bearer {KEY}"}
    )
    assert credits.json()["credits"] == 120


def test_hub_can_be_created_from_a_definition(hub: LiveHub) -> None:
    """A hub can be created from the fields of a scenario file, sent as JSON."""
    definition = {
        "accounts": {"ann": {"grants": [{"credits": 9}], "keys": [{"key": "gih_live_ann"}]}},
        "provider": ["fail"],
        "clock": {"manual": "2026-04-30T08:00:00Z"},
    }
    created = call(hub, "POST", "/hubs", {"name": "ann", "scenario_definition": definition})
    assert (created["hub"]["clock"]["kind"], created["hub"]["accounts"]) == ("manual", 1)
    assert hub.credits("gih_live_ann") == 9
    assert hub.generate({}, key="gih_live_ann").status_code == 500


def test_fork_is_independent(hub: LiveHub) -> None:
    """Credits spent in a fork are not spent in the original. A reset restores the fork."""
    hub.generate({})
    twin = call(hub, "POST", f"{HUB}/fork", {"name": "twin"})
    key = {"Authorization": f"Bearer {KEY}"}
    hub.client.post(f"{twin['base_url']}/images/generations", json=BODY, headers=key)
    assert hub.client.get(f"{twin['base_url']}/credits", headers=key).json()["credits"] == 104
    assert hub.credits() == 112
    call(hub, "POST", "/hubs/twin/reset")
    assert hub.client.get(f"{twin['base_url']}/credits", headers=key).json()["credits"] == 112


def test_reset_restores_the_initial_state(hub: LiveHub) -> None:
    """Credits, keys, faults and the journal return to the start, and ids begin again."""
    first = hub.generate({}).json()
    raw = call(hub, "POST", f"{HUB}/keys", {"account": "rich"})["key"]
    call(hub, "POST", f"{HUB}/faults", {"fault": "status=503"})
    call(hub, "POST", f"{HUB}/reset")
    assert hub.get("credits", raw).status_code == 401
    assert hub.generate({}).json() == first
    assert call(hub, "GET", HUB)["exchanges"] == 2


def test_reset_of_a_plain_hub_keeps_its_key(hub: LiveHub) -> None:
    """After a reset the key of a plain hub has the credits that it was created with."""
    created = call(hub, "POST", "/hubs", {"name": "t", "credits": 20, "image_format": "jpeg"})
    hub.generate({}, key=created["key"])
    call(hub, "POST", "/hubs/t/reset")
    assert hub.credits(created["key"]) == 20
    assert call(hub, "GET", "/hubs/t")["image_format"] == "jpeg"


def test_new_hub_replaces_the_one_of_a_killed_run(hub: LiveHub) -> None:
    """The old hub with its credits and its key is gone; the new one has its name and URL."""
    first = call(hub, "POST", "/hubs", {"name": "t1", "credits": 40, "seed": 1})
    again = {"name": "t1", "credits": 7, "seed": 2, "replace": True}
    second = call(hub, "POST", "/hubs", again)
    assert second["hub"]["url"] == first["hub"]["url"]
    assert hub.get("credits", second["key"]).json()["credits"] == 7
    assert hub.get("credits", first["key"]).status_code == 401
    assert call(hub, "POST", "/hubs", again)["key"] == second["key"], "it can be repeated"


def test_fork_replaces_a_hub_and_even_its_source(hub: LiveHub) -> None:
    call(hub, "POST", "/hubs", {"name": "t1", "credits": 40})
    call(hub, "POST", f"{HUB}/fork", {"name": "t1", "replace": True})
    assert call(hub, "GET", "/hubs/t1")["accounts"] > 1
    generations = call(hub, "GET", "/hubs/t1")["generations"]
    assert call(hub, "POST", "/hubs/t1/fork", {"name": "t1", "replace": True})["generations"] == (
        generations
    )


def test_replacement_cancels_the_requests_that_wait(hub: LiveHub) -> None:
    created = call(
        hub, "POST", "/hubs", {"name": "t1", "clock": {"kind": "manual", "mode": "hold"}}
    )
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(hub.generate, {"prompt": "[[duration=9s]]"}, created["key"])
        while not call(hub, "GET", "/hubs/t1/generations")["generations"]:
            pass
        call(hub, "POST", "/hubs", {"name": "t1", "replace": True})
        assert isinstance(waiting.exception(), httpx.RemoteProtocolError)


@pytest.mark.parametrize(
    "body", [{"credits": -1}, {"scenario": "nothing"}, {"clock": {"now": "x"}}]
)
def test_invalid_replacement_deletes_nothing(hub: LiveHub, body: Any) -> None:
    created = call(hub, "POST", "/hubs", {"name": "t1", "credits": 40})
    response = send_request(hub, "POST", "/hubs", {"name": "t1", "replace": True, **body})
    assert response.is_client_error
    assert hub.get("credits", created["key"]).json()["credits"] == 40


@pytest.mark.parametrize(
    ("clock", "shown"), [(None, "null"), (5, "5"), ("manual", '"manual"'), ([{}], "an array of 1")]
)
def test_clock_of_a_new_hub_is_an_object(hub: LiveHub, clock: Any, shown: str) -> None:
    status, _, message = call_error(hub, "POST", "/hubs", {"clock": clock})
    expected = f"clock: {shown} is not valid; expected an object with kind, mode or now"
    assert (status, message) == (400, expected)


def test_default_hub_cannot_be_replaced(hub: LiveHub) -> None:
    body = {"name": "default", "replace": True}
    status, code, message = call_error(hub, "POST", "/hubs", body)
    assert (status, code) == (409, "conflict")
    assert message == "the hub 'default' is the default one; reset it instead"
    assert hub.credits() == 120


def test_deleted_hub_is_not_found(hub: LiveHub) -> None:
    """Its name, URL and key are unknown. The default hub cannot be deleted."""
    created = call(hub, "POST", "/hubs", {"name": "t"})
    call(hub, "DELETE", "/hubs/t")
    assert hub.client.get("/hubs/t/api/v1/models").status_code == 404
    assert hub.get("credits", created["key"]).status_code == 401
    assert call_error(hub, "DELETE", HUB)[:2] == (409, "conflict")


def test_hub_detail_has_audit_and_credit_totals(hub: LiveHub) -> None:
    """A hub shows whether its ledgers agree and how many credits moved since its start."""
    hub.generate({"n": 2})
    page = call(hub, "GET", HUB)
    assert (page["audit"], page["credit_totals"]["charge"]) == ([], -16)
    assert page["generations"]["succeeded"] == 2


def test_wrong_balance_is_in_the_audit(hub: LiveHub) -> None:
    """A balance that is not the sum of its entries is listed in the audit."""
    account = hub.backend.accounts["rich"]
    account.balance += 1
    (violation,) = call(hub, "GET", HUB)["audit"]
    assert "rich: balance 1000001" in violation
    account.balance -= 1


def test_same_seed_makes_the_same_ids(hub: LiveHub) -> None:
    """Two hubs with one seed give their generations the same ids. Another seed gives others."""
    ids = []
    for seed in (7, 7, 8):
        created = call(hub, "POST", "/hubs", {"seed": seed})
        ids.append(hub.generate({}, key=created["key"]).json()["id"])
    assert ids[0] == ids[1] != ids[2]


def test_new_seed_gives_no_id_twice(hub: LiveHub) -> None:
    """The counter of ids continues, also with the seed that generated the first ids."""
    first = hub.generate({}).json()["id"]
    call(hub, "PATCH", HUB, {"seed": 0})
    assert hub.generate({}).json()["id"] != first


def test_image_format_can_be_changed(hub: LiveHub) -> None:
    """A hub with the format WebP serves WebP."""
    call(hub, "PATCH", HUB, {"image_format": "webp"})
    assert hub.generate({}).json()["images"][0]["url"].endswith(".webp")


# -- money and keys ------------------------------------------------------------------------------


def test_grant_adds_a_lot(hub: LiveHub) -> None:
    """Granted credits are spent in the order of their expiry, and the ledger shows both entries."""
    granted = call(hub, "POST", f"{HUB}/accounts/poor/grants", {"credits": 9, "expires_in": "1h"})
    assert (granted["credits"], granted["next_expiration"]) == (14, "2026-04-30T09:00:00.000Z")
    id = hub.generate({}, key=POOR).json()["id"]
    entries = call(hub, "GET", f"{HUB}/accounts/poor/entries?generation={id}")["entries"]
    assert [(entry["kind"], entry["credits"], entry["lot"]) for entry in entries] == [
        ("charge", -8, 2)
    ]
    call(hub, "POST", f"{HUB}/clock/next")
    assert hub.credits(POOR) == 5


def test_entries_have_the_balance_after_them(hub: LiveHub) -> None:
    """The balance of the last entry is that of the account, also page by page."""
    call(hub, "PUT", f"{HUB}/provider", {"script": ["fail"]})
    hub.generate({})
    path = f"{HUB}/accounts/documentation/entries"
    listed = call(hub, "GET", path)
    assert [(one["number"], one["kind"], one["balance"]) for one in listed["entries"][-2:]] == [
        (listed["total"] - 1, "charge", 112),
        (listed["total"], "refund", 120),
    ]
    earlier = call(hub, "GET", f"{path}?limit=1&before={listed['total']}")["entries"]
    assert earlier == listed["entries"][-2:-1]


def test_numbers_of_entries_count_the_evicted_ones(hub: LiveHub) -> None:
    path = f"{HUB}/accounts/rich/entries"
    for _ in range(6):
        hub.generate({}, key=RICH)
    before = call(hub, "GET", path)
    call(hub, "PATCH", HUB, {"max_generations": 1})
    after = call(hub, "GET", path)
    assert (after["total"], after["stored"]) == (before["total"], 4)
    assert after["entries"] == before["entries"][-4:]


def test_new_key_works_on_its_account(hub: LiveHub) -> None:
    """A second key reads the same balance. No list shows it raw."""
    created = call(hub, "POST", f"{HUB}/keys", {"account": "low", "name": "second"})
    assert hub.credits(created["key"]) == 24
    listed = send_request(hub, "GET", f"{HUB}/keys").text
    assert "second" in listed
    assert created["key"] not in listed


@pytest.mark.parametrize("name", ["k/1", "..", "", "x" * 65])
def test_key_name_is_part_of_a_path(hub: LiveHub, name: str) -> None:
    body = {"account": "documentation", "name": name}
    status, _, message = call_error(hub, "POST", f"{HUB}/keys", body)
    assert status == 400
    assert "without a slash" in message


def test_journal_is_filtered_by_every_operation(hub: LiveHub) -> None:
    """Downloads of images, which are no operation of the API spec, are exchanges too."""
    hub.client.get(IMAGE_PATH)
    hub.get("models")
    for operation in OperationId:
        path = f"{HUB}/journal?operation={operation}"
        count = len(call(hub, "GET", path)["exchanges"])
        assert count == (operation in (OperationId.GET_IMAGE, OperationId.LIST_MODELS))


def test_key_expires_with_the_clock(hub: LiveHub) -> None:
    """A key that expires in an hour works until the clock is there."""
    call(hub, "PATCH", f"{HUB}/keys/low", {"expires_in": "1h"})
    key = "gih_live_" + (11 * "low")[:32]
    assert hub.credits(key) == 24
    call(hub, "POST", f"{HUB}/clock/advance", {"by": "1h"})
    assert hub.get("credits", key).json()["error"]["code"] == "expiredApiKey"
    statuses = {key["name"]: key["status"] for key in call(hub, "GET", f"{HUB}/keys")["keys"]}
    assert [statuses[name] for name in ("low", "rich", "revoked")] == [
        "expired",
        "valid",
        "revoked",
    ]
    call(hub, "PATCH", f"{HUB}/keys/low", {"expires_at": None})
    assert hub.credits(key) == 24


def test_revoked_key_is_invalid(hub: LiveHub) -> None:
    """Revoking by name or by id makes a key invalid. The other keys of the account still work."""
    keys = call(hub, "GET", f"{HUB}/keys")["keys"]
    id = next(key["id"] for key in keys if key["name"] == "documentation")
    assert call(hub, "DELETE", f"{HUB}/keys/{id}")["revoked"]
    assert hub.get("credits").json()["error"]["code"] == "invalidApiKey"


def test_ambiguous_key_name_is_rejected(hub: LiveHub) -> None:
    """If several keys have the name, the error lists their ids."""
    for _ in range(2):
        call(hub, "POST", f"{HUB}/keys", {"account": "low", "name": "twice"})
    status, code, message = call_error(hub, "DELETE", f"{HUB}/keys/twice")
    assert (status, code) == (404, "notFound")
    assert "2 keys are named 'twice'; expected one of the ids " in message


# -- generations, provider, faults, time ---------------------------------------------------------


def test_running_generation_can_be_completed(hub: LiveHub) -> None:
    """Completed as failed it is refunded. A final generation cannot be completed again."""
    call(hub, "PUT", f"{HUB}/provider", {"script": ["never"]})
    id = hub.generate({"async": True}).json()["id"]
    assert hub.credits() == 112
    completed = call(hub, "POST", f"{HUB}/generations/{id}/complete", {"outcome": "failed"})
    assert (completed["status"], completed["credits"], hub.credits()) == ("failed", 0, 120)
    again = call_error(hub, "POST", f"{HUB}/generations/{id}/complete", {"outcome": "succeeded"})
    assert again[:2] == (409, "conflict")


def test_generations_are_listed_newest_first(hub: LiveHub) -> None:
    """The list is filtered by account and status, limited, and has prompt, credits and outcome."""
    call(hub, "PUT", f"{HUB}/provider", {"script": ["deliver=1", "fail"]})
    hub.generate({"prompt": "two of these", "n": 2})
    hub.generate({"prompt": "none"})
    listed = call(hub, "GET", f"{HUB}/generations?limit=2")["generations"]
    assert [
        (generation["prompt"], generation["credits"], generation["outcome"])
        for generation in listed
    ] == [
        ("none", 0, "fail"),
        ("two of these", 8, "deliver=1"),
    ]
    (failed,) = call(hub, "GET", f"{HUB}/generations?status=failed")["generations"]
    assert failed["prompt"] == "none"
    assert call(hub, "GET", f"{HUB}/generations?account=poor")["generations"] == []


def test_generations_are_listed_page_by_page(hub: LiveHub) -> None:
    """`before` continues after the last one of a page, also if newer ones were added."""
    ids = [hub.generate({"prompt": f"number {n}"}).json()["id"] for n in range(3)]
    page = call(hub, "GET", f"{HUB}/generations?limit=2")
    assert ([one["id"] for one in page["generations"]], page["more"]) == (ids[:0:-1], True)
    hub.generate({})
    page = call(hub, "GET", f"{HUB}/generations?limit=2&before={ids[1]}")
    assert [one["id"] for one in page["generations"]] == [ids[0], "clx_generation_log_id"]
    assert (page["more"], page["total"]) == (False, 5)
    status, _, message = call_error(hub, "GET", f"{HUB}/generations?before=gone")
    assert (status, message[:30]) == (404, "there is no generation 'gone' ")


def test_generation_shows_progress_and_images(hub: LiveHub) -> None:
    """Progress follows the clock or the polls; the delivered images have type and dimensions."""
    script = ["duration=40s", "polls=4", "never", "fail", "deliver=1"]
    call(hub, "PUT", f"{HUB}/provider", {"script": script})
    ids = [hub.generate({"async": True, "size": "1536x1024"}).json()["id"] for _ in script]
    call(hub, "POST", f"{HUB}/clock/advance", {"by": "10s"})
    hub.get(f"generations/{ids[1]}")
    listed = [call(hub, "GET", f"{HUB}/generations/{id}") for id in ids]
    assert [one["progress"] for one in listed] == [0.25, 0.25, None, 1, 1]
    assert [one["error"] for one in listed] == [None, None, None, "generationFailed", None]
    assert [len(one["images"]) for one in listed] == [0, 0, 0, 0, 1]
    (image,) = listed[-1]["images"]
    assert image["url"] == hub.get(f"generations/{ids[-1]}").json()["images"][0]["url"]
    assert (image["media_type"], image["width"], image["height"]) == ("image/png", 1536, 1024)


def test_preview_is_a_small_image_and_no_exchange(hub: LiveHub) -> None:
    """It keeps the aspect ratio. Neither the journal nor a fault counts it, and it needs no key."""
    id = hub.generate({"size": "1536x1024"}).json()["id"]
    (image,) = call(hub, "GET", f"{HUB}/generations/{id}")["images"]
    call(hub, "POST", f"{HUB}/faults", {"fault": "status=404 on=get_image"})
    total = call(hub, "GET", f"{HUB}/journal")["total"]
    small = hub.client.get(f"{image['preview_path']}?width=300")
    assert Image.open(BytesIO(small.content)).size == (300, 200)
    whole = hub.client.get(f"{image['preview_path']}?width=4096")
    assert Image.open(BytesIO(whole.content)).size == (1536, 1024)
    assert small.headers["etag"] != whole.headers["etag"]
    assert call(hub, "GET", f"{HUB}/journal")["total"] == total
    call(hub, "DELETE", f"{HUB}/faults")
    assert hub.client.get(image["url"]).content == whole.content
    for path in ("x/6b1795b2185aa804/1.png", f"{id}/0000000000000000/1.png", "a/b/c"):
        assert call_error(hub, "GET", f"{HUB}/images/{path}")[:2] == (404, "notFound")


def test_preview_of_a_named_hub_is_found(hub: LiveHub) -> None:
    key = call(hub, "POST", "/hubs", {"name": "t1"})["key"]
    id = hub.generate({}, key=key).json()["id"]
    (image,) = call(hub, "GET", f"/hubs/t1/generations/{id}")["images"]
    assert hub.client.get(f"{image['preview_path']}?width=16").status_code == 200


def test_provider_script_can_be_sent_as_it_was_read(hub: LiveHub) -> None:
    """The outcomes that GET returns can be sent back with PUT."""
    script = ["fail", "never", "deliver=3 duration=2000ms", "polls=3", "duration=0ms"]
    for _ in range(2):
        script = call(hub, "PUT", f"{HUB}/provider", {"script": script})["script"]
    assert script == ["fail", "never", "deliver=3 duration=2000ms", "polls=3", "duration=0ms"]


def test_fault_fires_and_is_counted(hub: LiveHub) -> None:
    """An armed fault shows how often it was evaluated and fired. A cleared fault is gone."""
    call(hub, "POST", f"{HUB}/faults", {"fault": "status=503 x1 on=get_credits"})
    assert [hub.get("credits").status_code for _ in range(2)] == [503, 200]
    (armed,) = call(hub, "GET", f"{HUB}/faults")["faults"]
    assert (armed["evaluated"], armed["fired"], armed["operation"]) == (2, 1, "get_credits")
    assert call(hub, "DELETE", f"{HUB}/faults")["faults"] == []


def test_fault_says_since_when_it_is_armed(hub: LiveHub) -> None:
    """An exchange is compared with faults that were armed before it; a reset restarts numbers."""
    hub.server.call(hub.backend.save_snapshot)
    hub.generate({})
    (armed,) = call(hub, "POST", f"{HUB}/faults", {"fault": "fail x1"})["faults"]
    assert armed["armed_after"] == 1
    hub.server.call(hub.backend.save_snapshot)
    call(hub, "POST", f"{HUB}/reset")
    (armed,) = call(hub, "GET", f"{HUB}/faults")["faults"]
    assert armed["armed_after"] == 0


def test_fault_can_be_bound_to_a_prompt(hub: LiveHub) -> None:
    """It fires only for requests whose prompt contains the text."""
    call(hub, "POST", f"{HUB}/faults", {"fault": "fail", "prompt": "volcano"})
    assert [hub.generate({"prompt": prompt}).status_code for prompt in ("A lake", "A volcano")] == [
        200,
        500,
    ]


def test_one_fault_can_be_disarmed(hub: LiveHub) -> None:
    """The others remain armed. A number that is not armed is an error."""
    for fault in ("status=503 x1 on=get_credits", "reset on=list_models"):
        armed = call(hub, "POST", f"{HUB}/faults", {"fault": fault})["faults"]
    remaining = call(hub, "DELETE", f"{HUB}/faults/{armed[0]['number']}")["faults"]
    assert [fault["fault"] for fault in remaining] == ["reset@before"]
    assert hub.get("credits").status_code == 200
    message = call_error(hub, "DELETE", f"{HUB}/faults/9")
    assert message == (404, "notFound", "there is no armed fault 9; expected one of 2")
    call(hub, "DELETE", f"{HUB}/faults")
    assert call_error(hub, "DELETE", f"{HUB}/faults/9")[2].endswith("9; none is armed")
    assert "the number of an armed fault" in call_error(hub, "DELETE", f"{HUB}/faults/x")[2].lower()


def test_fault_is_disarmed_when_its_time_is_over(hub: LiveHub) -> None:
    """A fault with for= fires until the clock has moved that far."""
    (armed,) = call(hub, "POST", f"{HUB}/faults", {"fault": "status=503 for=30s"})["faults"]
    assert armed["expires_at"] == "2026-04-30T08:00:30.000Z"
    call(hub, "POST", f"{HUB}/clock/advance", {"by": "29s"})
    assert hub.get("credits").status_code == 503
    call(hub, "POST", f"{HUB}/clock/advance", {"by": "1s"})
    assert hub.get("credits").status_code == 200
    assert call(hub, "GET", f"{HUB}/faults")["faults"] == []


def test_fault_types_build_faults_that_can_be_armed(hub: LiveHub) -> None:
    """Each word with its example and each of its phases is accepted."""
    for fault in call(hub, "GET", "/fault-types")["faults"]:
        value = f"={fault['argument']['example']}" if fault["argument"] else ""
        for phase in [f"@{phase}" for phase in fault["phases"]] or [""]:
            call(hub, "POST", f"{HUB}/faults", {"fault": f"{fault['name']}{value}{phase}"})


def test_clock_moves_a_generation(hub: LiveHub) -> None:
    """A generation is processing until the clock reaches its end."""
    call(hub, "PUT", f"{HUB}/provider", {"script": ["duration=40s"]})
    poll = "generations/" + hub.generate({"async": True}).json()["id"]
    clock = call(hub, "POST", f"{HUB}/clock/advance", {"by": "39s"})
    assert clock["next_event"] == "2026-04-30T08:00:40.000Z"
    assert hub.get(poll).json()["status"] == "processing"
    assert call(hub, "POST", f"{HUB}/clock/next")["now"] == "2026-04-30T08:00:40.000Z"
    assert hub.get(poll).json()["status"] == "succeeded"
    assert None is call(hub, "GET", f"{HUB}/clock")["next_event"]


def test_completed_generation_is_not_an_event(hub: LiveHub) -> None:
    """Neither a generation that was completed early nor the expiry of a revoked key is due."""
    call(hub, "PUT", f"{HUB}/provider", {"script": ["duration=40s"]})
    id = hub.generate({"async": True}).json()["id"]
    call(hub, "PATCH", f"{HUB}/keys/low", {"expires_in": "1m"})
    call(hub, "POST", f"{HUB}/generations/{id}/complete", {"outcome": "succeeded"})
    call(hub, "DELETE", f"{HUB}/keys/low")
    assert None is call(hub, "GET", f"{HUB}/clock")["next_event"]


def test_system_clock_cannot_be_moved(hub: LiveHub) -> None:
    """It has to be made manual first. Time never runs backwards."""
    call(hub, "PATCH", f"{HUB}/clock", {"kind": "system"})
    status, code, message = call_error(hub, "POST", f"{HUB}/clock/advance", {"by": "1s"})
    assert (status, code) == (409, "conflict")
    assert "make it manual" in message
    assert call(hub, "PATCH", f"{HUB}/clock", {"kind": "manual"})["kind"] == "manual"
    call(hub, "POST", f"{HUB}/clock/advance", {"by": "1s"})
    past = call_error(hub, "POST", f"{HUB}/clock/set", {"to": "2020-01-01T00:00:00Z"})
    assert past[:2] == (409, "conflict")


def test_clock_is_made_manual_while_time_passes(
    hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manual clock stands at the time of the system, which is later at each read."""
    call(hub, "PATCH", f"{HUB}/clock", {"kind": "system"})
    monkeypatch.setattr(SystemClock, "now", partial(next, count(SystemClock().now())))
    assert call(hub, "PATCH", f"{HUB}/clock", {"kind": "manual"})["kind"] == "manual"


def test_clock_ends_before_dates_do(hub: LiveHub) -> None:
    """No clock can be set to a time that cannot be written as a date."""
    for method, where, field in (("POST", "/set", "to"), ("PATCH", "", "now")):
        late = call_error(hub, method, f"{HUB}/clock{where}", {field: "9999-12-31T23:59:59Z"})
        assert late[:2] == (409, "conflict")
        assert "cannot go beyond 9000-01-01T00:00:00.000Z" in late[2]
    assert (
        call(hub, "POST", f"{HUB}/clock/set", {"to": "9000-01-01T00:00:00Z"})["now"][:4] == "9000"
    )
    call(hub, "PUT", f"{HUB}/provider", {"script": ["duration=30d"]})
    assert hub.generate({"async": True}).status_code == 202
    assert call(hub, "GET", f"{HUB}/clock")["next_event"]


def test_hub_and_account_may_have_no_credits(hub: LiveHub) -> None:
    """As with `--credits 0`: the account exists, and the first generation is a 402."""
    created = call(hub, "POST", "/hubs", {"name": "poor", "credits": 0})
    headers = {"Authorization": f"Bearer {created['key']}"}
    rejected = hub.client.post("/api/v1/images/generations", json=BODY, headers=headers)
    assert rejected.json()["error"]["code"] == "insufficientCredits"
    account = call(hub, "POST", "/hubs/poor/accounts", {"id": "none", "credits": 0})
    assert account["credits"] == 0


def test_control_never_races_with_requests(hub: LiveHub) -> None:
    """Resets and scripts between requests leave documented responses and correct ledgers."""
    call(hub, "PUT", f"{HUB}/provider", {"script": ["duration=1s", "fail"]})
    headers = {"Authorization": f"Bearer gih_live_{8 * 'rich'}"}

    def client() -> set[int]:
        with httpx.Client(base_url=hub.url, headers=headers, timeout=60) as http:
            statuses = set()
            for _ in range(15):
                created = http.post("/api/v1/images/generations", json={**BODY, "async": True})
                read = http.get(f"/api/v1/generations/{created.json()['id']}")
                statuses |= {created.status_code, read.status_code}
            return statuses

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        while not all(future.done() for future in clients):
            call(hub, "POST", f"{HUB}/clock/advance", {"by": "1s"})
            assert call(hub, "POST", f"{HUB}/reset")["audit"] == []
    statuses_seen = set[int]().union(*(future.result() for future in clients))
    assert statuses_seen <= {202, 200, 404}  # 404: it was reset between the two


# -- mistakes ------------------------------------------------------------------------------------

TOO_EARLY = "0001-01-01T00:00:00+23:59"
INVALID_REQUESTS = [
    ("POST", "/hubs", {"nam": "x"}, '"nam" is not known here'),
    ("POST", "/hubs", {"nam": "x"}, "did you mean 'name'?"),
    ("POST", "/hubs", {"name": "a/b"}, 'name: "a/b" is not valid; expected the name of a hub'),
    ("POST", "/hubs", {"clock": {"knd": "manual"}}, 'clock: "knd" is not known here'),
    ("POST", "/hubs", {"clock": {"kind": "manul"}}, "did you mean 'manual'?"),
    ("POST", "/hubs", {"scenario": "slow", "credits": 5}, "scenario and credits are both given"),
    (
        "POST",
        "/hubs",
        {"scenario_definition": {}, "scenario": "slow"},
        "scenario and scenario_definition are both given",
    ),
    (
        "POST",
        "/hubs",
        {"scenario_definition": {"acounts": {}}},
        "scenario_definition: #/acounts: 'acounts' is not known here",
    ),
    (
        "POST",
        "/hubs",
        {"scenario_definition": {"accounts": {"a": {}}, "provider": ["fial"]}},
        "scenario_definition: #/provider/0: unknown directive 'fial'; did you mean 'fail'?",
    ),
    (
        "POST",
        "/hubs",
        {"scenario_definition": {"accounts": {}, "generations": [{"account": "a", "request": {}}]}},
        "scenario_definition: #/generations/0/account: 'a' is not an account",
    ),
    ("POST", "/hubs", {"clock": {"kind": "system", "mode": "hold"}}, "mode is for manual"),
    ("POST", f"{HUB}/accounts/low/grants", {"credits": 0}, "credits: 0 is not valid"),
    ("POST", f"{HUB}/accounts/low/grants", {}, "credits is missing"),
    (
        "POST",
        f"{HUB}/accounts/low/grants",
        {"credits": 1, "expires_at": "tomorrow"},
        "expires_at: 'tomorrow' is not a time; expected one such as 2026-04-30T08:00:00Z",
    ),
    (
        "POST",
        f"{HUB}/accounts/low/grants",
        {"credits": 5.0},
        "credits: 5.0 is not valid; expected an integer from 1 to 1000000000000, without",
    ),
    (
        "POST",
        f"{HUB}/accounts/low/grants",
        {"credits": 1, "expires_at": "9999-12-31T23:59:59-23:59"},
        "expires_at: '9999-12-31T23:59:59-23:59' is out of range; expected a year from 1 to 9999",
    ),
    ("POST", f"{HUB}/keys", {"account": "low", "expires_at": TOO_EARLY}, "is out of range"),
    ("PATCH", f"{HUB}/keys/low", {"expires_at": TOO_EARLY}, "is out of range"),
    ("POST", f"{HUB}/accounts", {"id": "big", "credits": 1e13}, "credits: 10000000000000.0 is"),
    ("POST", "/hubs", {"seed": 7.0}, "seed: 7.0 is not valid; expected an integer from -9007"),
    ("POST", "/hubs", {"seed": 2**53}, "seed: 9007199254740992 is not valid"),
    ("POST", "/hubs", {"clock": {"now": "9999-12-31T23:59:59Z"}}, "cannot go beyond 9000-01-01"),
    ("POST", "/hubs", {"clock": {"now": TOO_EARLY}}, "now: '0001-01-01T00:00:00+23:59' is out of"),
    ("PATCH", HUB, {"max_generations": 5.0}, "max_generations: 5.0 is not valid"),
    ("PATCH", f"{HUB}/keys/low", {}, "expected an object with expires_at or expires_in"),
    (
        "PATCH",
        f"{HUB}/keys/low",
        {"expires_in": "1h", "expires_at": None},
        "are both given",
    ),
    ("PUT", f"{HUB}/provider", {"script": ["fail", "fial"]}, "script[1]: unknown directive 'fial'"),
    ("PUT", f"{HUB}/provider", {"script": ["fail", 3]}, "script[1]: 3 is not valid"),
    ("POST", f"{HUB}/faults", {"fault": "rset@after"}, "did you mean 'reset'?"),
    (
        "POST",
        f"{HUB}/clock/advance",
        {"by": "soon"},
        'by: "soon" is not valid; expected a duration such as 800s, 150ms, 2m, 1h or 30d',
    ),
    ("POST", f"{HUB}/clock/set", {"to": 5}, "to: 5 is not valid; expected a time such as 2026-04"),
    (
        "POST",
        f"{HUB}/clock/advance",
        {"by": "999999999999d"},
        "is too long; expected at most 3650d",
    ),
    ("GET", f"{HUB}/journal?format=csv", None, "expected one of json, summary, har, curl"),
    ("GET", f"{HUB}/journal?limit=0", None, "limit: 0 is not valid; expected an integer from 1"),
    ("GET", f"{HUB}/journal?state=1", None, "did you mean 'status'?"),
    ("GET", f"{HUB}/journal?limit=1&limit=2", None, "limit occurs twice"),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), INVALID_REQUESTS)
def test_invalid_request_is_explained(
    hub: LiveHub, method: str, path: str, body: Any, expected: str
) -> None:
    """400 names the field, shows the value and says what is allowed."""
    status, code, message = call_error(hub, method, path, body)
    assert (status, code) == (400, "invalidRequest")
    assert expected in message


def test_prompt_faults_are_a_setting_of_the_hub(hub: LiveHub) -> None:
    """It is on by default, set by create_hub and update_hub, and restored by reset_hub."""
    assert call(hub, "GET", HUB)["prompt_faults"] is True
    made = call(hub, "POST", "/hubs", {"prompt_faults": False})["hub"]
    assert made["prompt_faults"] is False
    assert call(hub, "PATCH", HUB, {"prompt_faults": False})["prompt_faults"] is False
    assert hub.generate({"prompt": "[[fial]]"}).status_code == 200
    assert call(hub, "POST", f"{HUB}/reset")["prompt_faults"] is True


def test_sum_of_all_grants_is_bounded(hub: LiveHub) -> None:
    """A grant beyond what JSON can hold adds nothing, neither credits nor an account."""
    most = {"credits": 10**12}
    hub.server.call(lambda: setattr(hub.backend, "granted_total", 2**53 - 1 - 10**12))
    call(hub, "POST", f"{HUB}/accounts/low/grants", most)
    before = call(hub, "GET", f"{HUB}/accounts")
    for where, body in (("/low/grants", most), ("", {"id": "big", "credits": 1})):
        status, _, message = call_error(hub, "POST", f"{HUB}/accounts{where}", body)
        assert (status, message.rpartition("; ")[2]) == (400, "expected a whole number from 0 to 0")
    assert call(hub, "GET", f"{HUB}/accounts") == before
    call(hub, "POST", f"{HUB}/reset")
    call(hub, "POST", f"{HUB}/accounts/low/grants", {"credits": 1})


def test_bounds_of_control_yaml_are_those_of_the_hub() -> None:
    schemas = load_document(OPENAPI_FILE).root["components"]["schemas"]
    seed = schemas["Seed"]
    assert (seed["minimum"], seed["maximum"]) == (-MAX_INTEGER, MAX_INTEGER)
    assert schemas["HubUpdate"]["properties"]["max_generations"]["maximum"] == MAX_GENERATIONS


UNKNOWN_NAMES = [
    ("GET", "/hubs/defalt", "did you mean 'default'?"),
    ("GET", f"{HUB}/accounts/documentatoin", "did you mean 'documentation'?"),
    ("DELETE", f"{HUB}/keys/lo", "did you mean 'low'?"),
    ("GET", f"{HUB}/generations/clx_generation_log", "did you mean 'clx_generation_log_id'?"),
    ("GET", "/hub", "did you mean '/_mockhub/hubs'?"),
    ("POST", "", "there is nothing at '/_mockhub'"),
]


@pytest.mark.parametrize(("method", "path", "expected"), UNKNOWN_NAMES)
def test_not_found_suggests_the_closest_name(
    hub: LiveHub, method: str, path: str, expected: str
) -> None:
    """404 names the closest known name."""
    status, code, message = call_error(hub, method, path)
    assert (status, code) == (404, "notFound")
    assert expected in message


def test_unknown_scenario_is_not_found(hub: LiveHub) -> None:
    """An unknown scenario is 404 with the closest name."""
    status, _, message = call_error(hub, "POST", "/hubs", {"scenario": "slo"})
    assert status == 404
    assert "did you mean 'slow'?" in message


@pytest.mark.parametrize(
    ("path", "body"),
    [("/hubs", {"name": "default"}), (f"{HUB}/fork", {"name": "default"})],
)
def test_name_in_use_is_a_conflict(hub: LiveHub, path: str, body: Any) -> None:
    """409 says that the hub already exists."""
    assert call_error(hub, "POST", path, body)[:2] == (409, "conflict")


def test_unknown_method_is_405(hub: LiveHub) -> None:
    """405 has the Allow header and the error body."""
    response = send_request(hub, "PUT", "/hubs")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.json()["error"]["code"] == "methodNotAllowed"


def test_internal_error_is_500(hub: LiveHub) -> None:
    """An exception in a handler is a 500 that describes it."""
    del hub.backend.accounts["low"].totals
    status, code, message = call_error(hub, "GET", f"{HUB}/accounts")
    assert (status, code) == (500, "mockhubError")
    assert "AttributeError" in message
    hub.backend.reset()


def test_response_that_breaks_control_yaml_is_500(hub: LiveHub) -> None:
    """Every response is validated against its schema before it is sent."""
    hub.backend.accounts["low"].account_type = 7  # type: ignore[assignment]
    status, code, message = call_error(hub, "GET", f"{HUB}/accounts")
    assert (status, code) == (500, "mockhubError")
    assert "list_accounts" in message


def test_invalid_script_changes_nothing(hub: LiveHub) -> None:
    """A script with an invalid outcome leaves the old one in place."""
    before = call(hub, "GET", f"{HUB}/provider")
    call_error(hub, "PUT", f"{HUB}/provider", {"script": ["fail", "fial"]})
    assert call(hub, "GET", f"{HUB}/provider") == before
