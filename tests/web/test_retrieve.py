"""GET /api/v1/generations/{id}."""

from __future__ import annotations

import pytest

from tests.support.live_server import KEY, OTHER, LiveHub


def test_generation_can_be_read_by_its_id(hub: LiveHub) -> None:
    """It is the response to the POST, with created_at and without a balance (END-4, RET-1)."""
    generation = hub.generate({"n": 3}).json()
    log = hub.get(f"generations/{generation['id']}")
    assert (log.status_code, log.headers["content-type"]) == (200, "application/json")
    created = {"created_at": "2026-04-30T08:00:00.000Z"}
    assert {
        name: value for name, value in generation.items() if name != "balance"
    } | created == log.json()


def test_async_generation_can_be_read_by_its_id(hub: LiveHub) -> None:
    """A completed task has its images like a synchronous generation (RET-1)."""
    queued = hub.generate({"async": True, "n": 2}).json()
    log = hub.get(f"generations/{queued['id']}").json()
    assert (
        log["status"],
        len(log["images"]),
        log["created_at"],
    ) == ("succeeded", 2, queued["created_at"])


def test_only_the_owner_reads_a_generation(hub: LiveHub) -> None:
    """Another user's generation is 404, like one that does not exist (RET-2, RET-3, ERR-5)."""
    id = hub.generate({}).json()["id"]
    foreign = hub.get(f"generations/{id}", OTHER)
    unknown = hub.get("generations/clx000000000000000000000", OTHER)
    assert [foreign.status_code, unknown.status_code] == [404, 404]
    assert foreign.json()["error"]["code"] == "notFound"
    assert foreign.text.replace(id, "?") == unknown.text.replace("clx000000000000000000000", "?")


def test_foreign_read_is_not_a_poll(hub: LiveHub) -> None:
    """Another user's reads do not bring a generation nearer to its end (RET-2)."""
    queued = hub.generate({"async": True, "prompt": "[[polls=2]]"}).json()["id"]
    for _ in range(5):
        hub.get(f"generations/{queued}", OTHER)
    states = [hub.get(f"generations/{queued}").json()["status"] for _ in range(2)]
    assert states == ["processing", "succeeded"]


@pytest.mark.parametrize(
    "id",
    [
        "x",
        "..",
        "%2e%2e",
        "%00",
        "%ff",
        "a%2Fb",
        3000 * "a",
        "clx_generation_log_i",
        "%F0%9F%98%80",
    ],
)
def test_unknown_id_is_not_found(shared_hub: LiveHub, id: str) -> None:
    """An unknown or malformed id is 404 notFound (RET-3, ERR-5)."""
    response = shared_hub.get(f"generations/{id}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "notFound")


def test_final_generation_stays_the_same(hub: LiveHub) -> None:
    """Every read of a final generation returns the same bytes, also much later (RET-4)."""
    id = hub.generate({"n": 2}).json()["id"]
    first = hub.get(f"generations/{id}").content
    for _ in range(5):
        hub.server.call(lambda: hub.backend.clock.advance(3_600_000))
        hub.generate({})
        assert hub.get(f"generations/{id}").content == first


def test_any_key_of_the_owner_reads_it(hub: LiveHub) -> None:
    """Each key of an account reads the generations of the others (RET-5)."""
    second = hub.server.call(lambda: hub.backend.add_key("documentation"))
    id = hub.generate({}, key=KEY).json()["id"]
    assert hub.get(f"generations/{id}", second).status_code == 200
    id = hub.generate({}, key=second).json()["id"]
    assert hub.get(f"generations/{id}", KEY).status_code == 200
