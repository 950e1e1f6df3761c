"""GET /api/v1/models and GET /api/v1/credits."""

from __future__ import annotations

from mockhub._timestamps import parse_timestamp
from tests.support.live_server import EXPIRED, KEY, LOW, OTHER, POOR, RICH, LiveHub, serve_hub

RATIOS = "auto 1:1 4:3 3:4 3:2 2:3 16:9 9:16 5:4 4:5 21:9 9:21 2:1 1:2 3:1 1:3"


def test_models_need_no_key(shared_hub: LiveHub) -> None:
    """The response is {object: list, data} (END-1, MOD-8)."""
    response = shared_hub.get("models", None)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json().keys() == {"object", "data"}
    assert response.json()["object"] == "list"


def test_gpt_image_2_is_listed(shared_hub: LiveHub) -> None:
    """The only model is gpt-image-2, named GPT IMAGE 2, of openai (MOD-1, MOD-2)."""
    (model,) = shared_hub.get("models", None).json()["data"]
    assert (
        model["id"],
        model["name"],
        model["provider"],
    ) == ("gpt-image-2", "GPT IMAGE 2", "openai")


def test_model_has_the_documented_properties(shared_hub: LiveHub) -> None:
    """Prices, defaults, tiers, ratios and the limit (MOD-3, MOD-4, MOD-5, MOD-6, MOD-7)."""
    (model,) = shared_hub.get("models", None).json()["data"]
    assert model["credits_per_image"] == {"1K": 8, "2K": 10, "4K": 12}
    assert model["default_options"] == {"aspect_ratio": "auto", "quality": "1K"}
    assert model["supported_qualities"] == ["1K", "2K", "4K"]
    assert model["supported_aspect_ratios"] == RATIOS.split()
    assert model["reference_image_limit"] == 16


def test_credits_are_those_of_the_account(shared_hub: LiveHub) -> None:
    """Each key returns the balance of its own account (END-2, CRD-1, CRD-2)."""
    expected = {"credits": 120, "account_type": "PRO", "next_expiration": None}
    assert shared_hub.get("credits", KEY).json() == expected
    assert [shared_hub.credits(key) for key in (RICH, OTHER, LOW, POOR)] == [1_000_000, 1000, 24, 5]


def test_keys_of_one_account_share_a_balance(hub: LiveHub) -> None:
    """A charge changes the balance of all keys of the account and of no other (CRD-3)."""
    second = hub.server.call(lambda: hub.backend.add_key("documentation"))
    assert hub.generate(key=second, json={}).status_code == 200
    assert (hub.credits(KEY), hub.credits(second), hub.credits(OTHER)) == (112, 112, 1000)


def test_reads_and_errors_change_no_balance(hub: LiveHub) -> None:
    """Reads and requests that are rejected with 4xx are free (CRD-4)."""
    hub.get("models")
    hub.get("generations/clx_generation_log_id")
    rejected = [
        hub.generate({"n": 5}),
        hub.generate({"model": "x"}),
        hub.generate({}, key=EXPIRED),
        hub.generate({}, key=POOR),
        hub.get("generations/nothing"),
        hub.client.delete("/api/v1/credits"),
    ]
    assert [response.status_code for response in rejected] == [400, 400, 401, 402, 404, 405]
    assert (hub.credits(KEY), hub.credits(POOR)) == (120, 5)


def test_next_expiration_is_reported_and_happens() -> None:
    """next_expiration is the time at which the next credits expire (CRD-1, CRD-2)."""
    with serve_hub(scenario="expiring") as hub:
        before = hub.get("credits").json()
        hub.server.call(lambda: hub.backend.clock.set(parse_timestamp("2026-04-30T09:00:00Z")))
        after = hub.get("credits").json()
    assert (before["credits"], before["next_expiration"]) == (120, "2026-04-30T09:00:00.000Z")
    assert (after["credits"], after["next_expiration"]) == (60, None)
