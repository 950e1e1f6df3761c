"""Asynchronous generations: queued, polled, ended."""

from __future__ import annotations

import pytest

from tests.support.live_server import KEY, POOR, Live

PROMISED = {
    "object", "id", "status", "model", "aspect_ratio", "quality",
    "created_at", "images", "usage", "poll_url",
}  # fmt: skip


def queue(api: Live, prompt: str = "x", **fields: object) -> dict[str, object]:
    answer = api.generate({"prompt": prompt, "async": True, **fields})
    assert 202 == answer.status_code
    body: dict[str, object] = answer.json()
    return body


def poll(api: Live, queued: dict[str, object]) -> dict[str, object]:
    answer = api.client.get(str(queued["poll_url"]), headers={"Authorization": f"Bearer {KEY}"})
    assert 200 == answer.status_code
    body: dict[str, object] = answer.json()
    return body


def test_it_is_queued_at_once(api: Live) -> None:
    """async true answers 202 with an id, queued, no images, and no more (ASY-1, ASY-3)."""
    queued = queue(api, "[[duration=60s]]", n=2)
    assert PROMISED == queued.keys()
    assert ("image_generation", "queued", []) == (
        queued["object"],
        queued["status"],
        queued["images"],
    )
    assert "2026-04-30T08:00:00.000Z" == queued["created_at"]


def test_poll_url_is_the_generations_address(api: Live) -> None:
    """poll_url is absolute and GET /api/v1/generations/{id} (ASY-2)."""
    queued = queue(api)
    assert f"{api.url}/api/v1/generations/{queued['id']}" == queued["poll_url"]


def test_usage_says_what_was_asked(api: Live) -> None:
    """While it runs, usage is 0 credits and what was requested, which is charged (ASY-4)."""
    queued = queue(api, "[[duration=60s]]", n=3, size="2048x2048")
    asked = {"credits": 0, "credits_requested": 30}
    assert asked == queued["usage"]
    assert 90 == api.credits()
    assert asked == poll(api, queued)["usage"]


def test_polling_finds_the_end(api: Live) -> None:
    """Polled, it goes from queued to processing to succeeded with its images (ASY-5, ASY-6)."""
    queued = queue(api, "[[duration=60s]]", n=2)
    states = [queued["status"]]
    for _ in range(3):
        states.append(poll(api, queued)["status"])
        api.server.call(lambda: api.hub.clock.advance(25_000))
    states.append(poll(api, queued)["status"])
    ended = poll(api, queued)
    assert ["queued", "processing", "processing", "processing", "succeeded"] == states
    assert (2, {"credits": 16}) == (len(ended["images"]), ended["usage"])  # type: ignore[arg-type]
    assert "poll_url" not in ended


def test_an_ended_one_never_changes(api: Live) -> None:
    """What has ended reads the same ever after, byte for byte (ASY-6, RET-4)."""
    queued = queue(api, "[[duration=60s]]")
    api.server.call(lambda: api.hub.clock.advance(60_000))
    first = poll(api, queued)
    api.server.call(lambda: api.hub.clock.advance(86_400_000))
    assert first == poll(api, queued)


@pytest.mark.parametrize("prompt", ["[[fail]]", "[[deliver=0]]", "[[fail duration=5s]]"])
def test_a_failed_one_is_told_and_refunded(api: Live, prompt: str) -> None:
    """A failed task reads 200, failed, no images, no credits, and why (ASY-7)."""
    queued = queue(api, prompt, n=4)
    api.server.call(lambda: api.hub.clock.advance(5000))
    failed = poll(api, queued)
    assert ("failed", [], {"credits": 0}) == (failed["status"], failed["images"], failed["usage"])
    assert {"message": "Image generation failed", "code": "generationFailed"} == failed["error"]
    assert 120 == api.credits()


@pytest.mark.parametrize("first", ["credits", "generation", "other generation", "picture", "post"])
def test_the_refund_is_there_the_moment_it_fails(api: Live, first: str) -> None:
    """Whichever request comes first after the end finds the money back (LED-2, LED-3)."""
    queued = queue(api, "[[duration=60s deliver=1]]", n=4)
    assert 88 == api.credits()
    api.server.call(lambda: api.hub.clock.advance(60_000))
    match first:
        case "generation":
            assert {"credits": 8} == poll(api, queued)["usage"]
        case "other generation":
            api.get("generations/clx_generation_log_id")
        case "picture":
            found = [api.client.get(f"/images/{queued['id']}/{i}.png").status_code for i in (1, 2)]
            assert [200, 404] == found
        case "post":
            assert 104 == api.generate({}).json()["balance"]["credits"]
            return
    assert 112 == api.credits()


def test_what_cannot_be_paid_is_refused_at_submission(api: Live) -> None:
    """An asynchronous request that the balance cannot pay is 402 at once (ASY-8, LED-5)."""
    before = len(api.hub.generations)
    answer = api.generate({"async": True}, key=POOR)
    assert (402, "insufficientCredits") == (answer.status_code, answer.json()["error"]["code"])
    assert (5, before) == (api.credits(POOR), len(api.hub.generations))


def test_800_seconds_bind_only_who_waits(api: Live) -> None:
    """A task may take longer than a synchronous generation (LIM-1)."""
    queued = queue(api, "[[duration=2h]]")
    api.server.call(lambda: api.hub.clock.advance(801_000))
    assert "processing" == poll(api, queued)["status"]
    api.server.call(lambda: api.hub.clock.advance(7_200_000))
    assert "succeeded" == poll(api, queued)["status"]


def test_it_ends_at_a_poll(api: Live) -> None:
    """polls=3 ends at the third poll, whatever the clock says, and no other read counts."""
    queued = queue(api, "[[polls=3]]")
    api.credits()
    api.server.call(lambda: api.hub.clock.advance(86_400_000))
    assert ["processing", "processing", "succeeded"] == [
        poll(api, queued)["status"] for _ in range(3)
    ]


def test_one_that_is_stuck_ends_by_hand(api: Live) -> None:
    """A stuck task processes for ever, until somebody ends it (ASY-5)."""
    queued = queue(api, "[[never]]", n=2)
    api.server.call(lambda: api.hub.clock.advance(10 * 86_400_000))
    assert "processing" == poll(api, queued)["status"]
    api.server.call(lambda: api.hub.complete(str(queued["id"]), failed=True))
    assert ("failed", 120) == (poll(api, queued)["status"], api.credits())
    other = queue(api, "[[never]]", n=2)
    api.server.call(lambda: api.hub.complete(str(other["id"])))
    assert ("succeeded", 104) == (poll(api, other)["status"], api.credits())
