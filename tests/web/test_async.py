"""Asynchronous generations: queued, polled, ended."""

from __future__ import annotations

import pytest

from tests.support.live_server import KEY, POOR, LiveHub

PROMISED = {
    "object", "id", "status", "model", "aspect_ratio", "quality",
    "created_at", "images", "usage", "poll_url",
}  # fmt: skip


def queue(hub: LiveHub, prompt: str = "x", **fields: object) -> dict[str, object]:
    response = hub.generate({"prompt": prompt, "async": True, **fields})
    assert response.status_code == 202
    body: dict[str, object] = response.json()
    return body


def poll(hub: LiveHub, queued: dict[str, object]) -> dict[str, object]:
    response = hub.client.get(str(queued["poll_url"]), headers={"Authorization": f"Bearer {KEY}"})
    assert response.status_code == 200
    body: dict[str, object] = response.json()
    return body


def test_async_request_is_queued_at_once(hub: LiveHub) -> None:
    """async true returns 202 with an id, status queued and no images (ASY-1, ASY-3)."""
    queued = queue(hub, "[[duration=60s]]", n=2)
    assert queued.keys() == PROMISED
    assert (
        queued["object"],
        queued["status"],
        queued["images"],
    ) == ("image_generation", "queued", [])
    assert queued["created_at"] == "2026-04-30T08:00:00.000Z"


def test_poll_url_is_the_url_of_the_generation(hub: LiveHub) -> None:
    """poll_url is absolute and GET /api/v1/generations/{id} (ASY-2)."""
    queued = queue(hub)
    assert f"{hub.url}/api/v1/generations/{queued['id']}" == queued["poll_url"]


def test_usage_has_the_requested_credits(hub: LiveHub) -> None:
    """While it runs, usage is 0 credits and what was requested, which is charged (ASY-4)."""
    queued = queue(hub, "[[duration=60s]]", n=3, size="2048x2048")
    usage = {"credits": 0, "credits_requested": 30}
    assert queued["usage"] == usage
    assert hub.credits() == 90
    assert poll(hub, queued)["usage"] == usage


def test_polling_sees_every_status(hub: LiveHub) -> None:
    """Polled, it goes from queued to processing to succeeded with its images (ASY-5, ASY-6)."""
    queued = queue(hub, "[[duration=60s]]", n=2)
    states = [queued["status"]]
    for _ in range(3):
        states.append(poll(hub, queued)["status"])
        hub.server.call(lambda: hub.backend.clock.advance(25_000))
    states.append(poll(hub, queued)["status"])
    ended = poll(hub, queued)
    assert states == ["queued", "processing", "processing", "processing", "succeeded"]
    assert (len(ended["images"]), ended["usage"]) == (2, {"credits": 16})  # type: ignore[arg-type]
    assert "poll_url" not in ended


def test_final_generation_never_changes(hub: LiveHub) -> None:
    """A final generation reads the same ever after, byte for byte (ASY-6, RET-4)."""
    queued = queue(hub, "[[duration=60s]]")
    hub.server.call(lambda: hub.backend.clock.advance(60_000))
    first = poll(hub, queued)
    hub.server.call(lambda: hub.backend.clock.advance(86_400_000))
    assert poll(hub, queued) == first


@pytest.mark.parametrize("prompt", ["[[fail]]", "[[deliver=0]]", "[[fail duration=5s]]"])
def test_failed_generation_is_reported_and_refunded(hub: LiveHub, prompt: str) -> None:
    """A failed generation is 200 with status failed, no images, no credits and an error (ASY-7)."""
    queued = queue(hub, prompt, n=4)
    hub.server.call(lambda: hub.backend.clock.advance(5000))
    failed = poll(hub, queued)
    assert (failed["status"], failed["images"], failed["usage"]) == ("failed", [], {"credits": 0})
    assert failed["error"] == {"message": "Image generation failed", "code": "generationFailed"}
    assert hub.credits() == 120


@pytest.mark.parametrize("first", ["credits", "generation", "other generation", "picture", "post"])
def test_refund_is_visible_to_the_first_request(hub: LiveHub, first: str) -> None:
    """The first request after the end, whichever it is, sees the refund (LED-2, LED-3)."""
    queued = queue(hub, "[[duration=60s deliver=1]]", n=4)
    assert hub.credits() == 88
    hub.server.call(lambda: hub.backend.clock.advance(60_000))
    match first:
        case "generation":
            assert poll(hub, queued)["usage"] == {"credits": 8}
        case "other generation":
            hub.get("generations/clx_generation_log_id")
        case "picture":
            generation = hub.server.call(lambda: hub.backend.generations[queued["id"]])
            images = hub.app.api.links(hub.backend.name).images(generation, "png")
            statuses = [hub.client.get(url).status_code for _, url in images[:2]]
            assert statuses == [200, 404]
        case "post":
            assert hub.generate({}).json()["balance"]["credits"] == 104
            return
    assert hub.credits() == 112


def test_insufficient_credits_are_rejected_at_submission(hub: LiveHub) -> None:
    """An asynchronous request that the balance cannot pay is 402 at once (ASY-8, LED-5)."""
    before = len(hub.backend.generations)
    response = hub.generate({"async": True}, key=POOR)
    assert (response.status_code, response.json()["error"]["code"]) == (402, "insufficientCredits")
    assert (hub.credits(POOR), len(hub.backend.generations)) == (5, before)


def test_800_seconds_limit_synchronous_generations_only(hub: LiveHub) -> None:
    """An asynchronous generation may take longer than a synchronous one (LIM-1)."""
    queued = queue(hub, "[[duration=2h]]")
    hub.server.call(lambda: hub.backend.clock.advance(801_000))
    assert poll(hub, queued)["status"] == "processing"
    hub.server.call(lambda: hub.backend.clock.advance(7_200_000))
    assert poll(hub, queued)["status"] == "succeeded"


def test_generation_ends_at_the_scripted_poll(hub: LiveHub) -> None:
    """polls=3 ends at the third poll, independently of the clock and of other reads."""
    queued = queue(hub, "[[polls=3]]")
    hub.credits()
    hub.server.call(lambda: hub.backend.clock.advance(86_400_000))
    assert [poll(hub, queued)["status"] for _ in range(3)] == [
        "processing",
        "processing",
        "succeeded",
    ]


def test_never_ending_generation_can_be_completed(hub: LiveHub) -> None:
    """A generation with the outcome never is processing until it is completed by hand (ASY-5)."""
    queued = queue(hub, "[[never]]", n=2)
    hub.server.call(lambda: hub.backend.clock.advance(10 * 86_400_000))
    assert poll(hub, queued)["status"] == "processing"
    hub.server.call(lambda: hub.backend.complete(str(queued["id"]), failed=True))
    assert (poll(hub, queued)["status"], hub.credits()) == ("failed", 120)
    other = queue(hub, "[[never]]", n=2)
    hub.server.call(lambda: hub.backend.complete(str(other["id"])))
    assert (poll(hub, other)["status"], hub.credits()) == ("succeeded", 104)
