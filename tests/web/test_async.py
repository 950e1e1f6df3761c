"""Asynchronous generations: queued, polled, ended."""

from __future__ import annotations

import pytest

from tests.support.live_server import KEY, POOR, LiveHub

PROMISED = {
    "object", "id", "status", "model", "aspect_ratio", "quality",
    "created_at", "images", "usage", "poll_url",
}  # fmt: skip


def queue(api: LiveHub, prompt: str = "x", **fields: object) -> dict[str, object]:
    answer = api.generate({"prompt": prompt, "async": True, **fields})
    assert answer.status_code == 202
    body: dict[str, object] = answer.json()
    return body


def poll(api: LiveHub, queued: dict[str, object]) -> dict[str, object]:
    answer = api.client.get(str(queued["poll_url"]), headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    body: dict[str, object] = answer.json()
    return body


def test_it_is_queued_at_once(api: LiveHub) -> None:
    """async true answers 202 with an id, queued, no images, and no more (ASY-1, ASY-3)."""
    queued = queue(api, "[[duration=60s]]", n=2)
    assert queued.keys() == PROMISED
    assert (
        queued["object"],
        queued["status"],
        queued["images"],
    ) == ("image_generation", "queued", [])
    assert queued["created_at"] == "2026-04-30T08:00:00.000Z"


def test_poll_url_is_the_generations_address(api: LiveHub) -> None:
    """poll_url is absolute and GET /api/v1/generations/{id} (ASY-2)."""
    queued = queue(api)
    assert f"{api.url}/api/v1/generations/{queued['id']}" == queued["poll_url"]


def test_usage_says_what_was_asked(api: LiveHub) -> None:
    """While it runs, usage is 0 credits and what was requested, which is charged (ASY-4)."""
    queued = queue(api, "[[duration=60s]]", n=3, size="2048x2048")
    asked = {"credits": 0, "credits_requested": 30}
    assert asked == queued["usage"]
    assert api.credits() == 90
    assert asked == poll(api, queued)["usage"]


def test_polling_finds_the_end(api: LiveHub) -> None:
    """Polled, it goes from queued to processing to succeeded with its images (ASY-5, ASY-6)."""
    queued = queue(api, "[[duration=60s]]", n=2)
    states = [queued["status"]]
    for _ in range(3):
        states.append(poll(api, queued)["status"])
        api.server.call(lambda: api.hub.clock.advance(25_000))
    states.append(poll(api, queued)["status"])
    ended = poll(api, queued)
    assert states == ["queued", "processing", "processing", "processing", "succeeded"]
    assert (len(ended["images"]), ended["usage"]) == (2, {"credits": 16})  # type: ignore[arg-type]
    assert "poll_url" not in ended


def test_an_ended_one_never_changes(api: LiveHub) -> None:
    """What has ended reads the same ever after, byte for byte (ASY-6, RET-4)."""
    queued = queue(api, "[[duration=60s]]")
    api.server.call(lambda: api.hub.clock.advance(60_000))
    first = poll(api, queued)
    api.server.call(lambda: api.hub.clock.advance(86_400_000))
    assert first == poll(api, queued)


@pytest.mark.parametrize("prompt", ["[[fail]]", "[[deliver=0]]", "[[fail duration=5s]]"])
def test_a_failed_one_is_told_and_refunded(api: LiveHub, prompt: str) -> None:
    """A failed task reads 200, failed, no images, no credits, and why (ASY-7)."""
    queued = queue(api, prompt, n=4)
    api.server.call(lambda: api.hub.clock.advance(5000))
    failed = poll(api, queued)
    assert (failed["status"], failed["images"], failed["usage"]) == ("failed", [], {"credits": 0})
    assert failed["error"] == {"message": "Image generation failed", "code": "generationFailed"}
    assert api.credits() == 120


@pytest.mark.parametrize("first", ["credits", "generation", "other generation", "picture", "post"])
def test_the_refund_is_there_the_moment_it_fails(api: LiveHub, first: str) -> None:
    """Whichever request comes first after the end finds the money back (LED-2, LED-3)."""
    queued = queue(api, "[[duration=60s deliver=1]]", n=4)
    assert api.credits() == 88
    api.server.call(lambda: api.hub.clock.advance(60_000))
    match first:
        case "generation":
            assert poll(api, queued)["usage"] == {"credits": 8}
        case "other generation":
            api.get("generations/clx_generation_log_id")
        case "picture":
            found = [api.client.get(f"/images/{queued['id']}/{i}.png").status_code for i in (1, 2)]
            assert found == [200, 404]
        case "post":
            assert api.generate({}).json()["balance"]["credits"] == 104
            return
    assert api.credits() == 112


def test_what_cannot_be_paid_is_refused_at_submission(api: LiveHub) -> None:
    """An asynchronous request that the balance cannot pay is 402 at once (ASY-8, LED-5)."""
    before = len(api.hub.generations)
    answer = api.generate({"async": True}, key=POOR)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficientCredits")
    assert (5, before) == (api.credits(POOR), len(api.hub.generations))


def test_800_seconds_bind_only_who_waits(api: LiveHub) -> None:
    """A task may take longer than a synchronous generation (LIM-1)."""
    queued = queue(api, "[[duration=2h]]")
    api.server.call(lambda: api.hub.clock.advance(801_000))
    assert poll(api, queued)["status"] == "processing"
    api.server.call(lambda: api.hub.clock.advance(7_200_000))
    assert poll(api, queued)["status"] == "succeeded"


def test_it_ends_at_a_poll(api: LiveHub) -> None:
    """polls=3 ends at the third poll, whatever the clock says, and no other read counts."""
    queued = queue(api, "[[polls=3]]")
    api.credits()
    api.server.call(lambda: api.hub.clock.advance(86_400_000))
    assert [poll(api, queued)["status"] for _ in range(3)] == [
        "processing",
        "processing",
        "succeeded",
    ]


def test_one_that_is_stuck_ends_by_hand(api: LiveHub) -> None:
    """A stuck task processes for ever, until somebody ends it (ASY-5)."""
    queued = queue(api, "[[never]]", n=2)
    api.server.call(lambda: api.hub.clock.advance(10 * 86_400_000))
    assert poll(api, queued)["status"] == "processing"
    api.server.call(lambda: api.hub.complete(str(queued["id"]), failed=True))
    assert (poll(api, queued)["status"], api.credits()) == ("failed", 120)
    other = queue(api, "[[never]]", n=2)
    api.server.call(lambda: api.hub.complete(str(other["id"])))
    assert (poll(api, other)["status"], api.credits()) == ("succeeded", 104)
