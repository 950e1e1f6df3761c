"""The public Hub, through the fixture `mockhub`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import openai
import pytest

from mockhub import Hub, MockhubError
from mockhub.images.formats import read_metadata

CAT = {"model": "gpt-image-2", "prompt": "A cat", "size": "1024x1024"}


def post_generation(hub: Hub, **fields: object) -> httpx.Response:
    """Request an image of a cat, or what *fields* say."""
    return hub.client().post("/images/generations", json={**CAT, **fields})


# -- addresses -------------------------------------------------------------------------------------


def test_openai_sdk_works_with_base_url_and_key(mockhub: Hub) -> None:
    client = openai.OpenAI(base_url=mockhub.base_url, api_key=mockhub.key)
    client.images.generate(**CAT)
    mockhub.assert_spent(8)


def test_url_is_base_url_without_api_v1(mockhub: Hub) -> None:
    assert mockhub.base_url == f"{mockhub.url}/api/v1"
    assert httpx.get(f"{mockhub.url}/api/v1/models").status_code == 200


def test_client_accepts_paths_with_and_without_api_v1(mockhub: Hub) -> None:
    client = mockhub.client()
    for path in ("/api/v1/credits", "/credits", "credits", f"{mockhub.base_url}/credits"):
        assert client.get(path).status_code == 200, path
    assert client.post("/api/v1/images/generations", json=CAT).status_code == 200


@pytest.mark.asyncio
async def test_async_client_accepts_paths_with_and_without_api_v1(mockhub: Hub) -> None:
    async with mockhub.async_client() as client:
        assert (await client.get("/api/v1/credits")).status_code == 200
        assert (await client.get("/credits")).status_code == 200


def test_key_selects_the_hub_at_the_server_url(mockhub: Hub) -> None:
    """Without /hubs/NAME, the key finds the account, the journal and the image."""
    headers = {"Authorization": f"Bearer {mockhub.key}"}
    url = f"{mockhub.server_url}/api/v1/images/generations"
    response = httpx.post(url, json=CAT, headers=headers).json()
    assert response["balance"]["credits"] == mockhub.account.credits
    assert len(mockhub.journal) == 1
    assert mockhub.images() == [httpx.get(response["images"][0]["url"]).content]


def test_closed_hub_is_deleted_but_can_be_inspected(mockhub_factory: Callable[..., Hub]) -> None:
    """After `close` the URL responds with 404 and the key is invalid; the state is readable."""
    hub = mockhub_factory(faults="reset@after x1")
    with pytest.raises(httpx.TransportError):
        post_generation(hub)
    post_generation(hub)
    hub.close()
    headers = {"Authorization": f"Bearer {hub.key}"}
    assert httpx.get(f"{hub.base_url}/credits", headers=headers).status_code == 404
    assert httpx.get(f"{hub.server_url}/api/v1/credits", headers=headers).status_code == 401
    assert [one.status for one in hub.journal] == [0, 200]
    assert len(hub.images()) == 2
    hub.assert_generated(prompt="A cat", times=2)
    with pytest.raises(AssertionError, match="charged 2 times"):
        hub.assert_no_double_charge()


def test_hubs_of_one_test_are_isolated(mockhub_factory: Callable[..., Hub]) -> None:
    one, two = mockhub_factory(credits=8), mockhub_factory(credits=8)
    post_generation(one)
    assert (one.account.credits, two.account.credits) == (0, 8)
    assert one.url != two.url
    assert one.key != two.key


# -- credits ---------------------------------------------------------------------------------------


@pytest.mark.mockhub(credits=8)
def test_marker_sets_the_balance(mockhub: Hub) -> None:
    assert [post_generation(mockhub).status_code for _ in range(2)] == [200, 402]
    assert mockhub.account.credits == 0


@pytest.mark.mockhub(scenario="default", credits=20)
def test_marker_sets_the_balance_after_the_generations_of_the_scenario(mockhub: Hub) -> None:
    assert mockhub.account.credits == 20
    mockhub.assert_spent(0)
    assert mockhub.generations == ()


@pytest.mark.mockhub(credits=0)
def test_granted_credits_expire_on_the_hubs_clock(mockhub: Hub) -> None:
    mockhub.account.grant(16, expires_in="1h")
    assert mockhub.account.credits == 16
    mockhub.clock.advance_to_next_event()
    assert mockhub.account.credits == 0
    assert [one.kind for one in mockhub.account.entries] == ["grant", "grant", "expiry"]


def test_created_account_has_its_own_key_and_balance(mockhub: Hub) -> None:
    """A second user pays from their own balance and cannot read the generations of the first."""
    bob = mockhub.accounts.create("bob", credits=8)
    id = post_generation(mockhub).json()["id"]
    client = mockhub.client(bob.key)
    assert client.get(f"/generations/{id}").status_code == 404
    assert client.post("/images/generations", json=CAT).status_code == 200
    assert (mockhub.account.credits, bob.credits) == (112, 0)


def test_unknown_and_existing_accounts_are_rejected(mockhub: Hub) -> None:
    """The error suggests the closest account."""
    mockhub.accounts.create("robert")
    with pytest.raises(MockhubError, match=r"unknown account 'robrt'; did you mean 'robert'\?"):
        mockhub.accounts["robrt"]
    with pytest.raises(MockhubError, match="the account 'robert' exists already"):
        mockhub.accounts.create("robert")


# -- keys ------------------------------------------------------------------------------------------


def test_keys_can_be_created_revoked_and_expired(mockhub: Hub) -> None:
    keys = [mockhub.keys.create(), mockhub.keys.create(expires_in="10m"), mockhub.keys.create()]
    clients = [mockhub.client(key) for key in keys]
    assert [one.get("/credits").status_code for one in clients] == [200, 200, 200]
    mockhub.keys.revoke(keys[0])
    mockhub.keys.expire(keys[2])
    mockhub.clock.advance("10m")
    codes = [one.get("/credits").json()["error"]["code"] for one in clients]
    assert codes == ["invalidApiKey", "expiredApiKey", "expiredApiKey"]


def test_revoking_an_unknown_key_fails(mockhub: Hub) -> None:
    with pytest.raises(MockhubError, match="unknown API key"):
        mockhub.keys.revoke("gih_live_unknown")


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.mockhub(clock="2030-01-01T00:00:00Z")
def test_clock_moves_only_by_advance_and_set(mockhub: Hub) -> None:
    """It starts at the time of the marker; advance accepts strings, seconds and timedeltas."""
    assert mockhub.clock.now() == datetime(2030, 1, 1, tzinfo=UTC)
    mockhub.clock.advance("2m")
    mockhub.clock.advance(30)
    mockhub.clock.advance(timedelta(hours=1))
    assert mockhub.clock.now() == datetime(2030, 1, 1, 1, 2, 30, tzinfo=UTC)
    moment = datetime(2031, 1, 1, tzinfo=UTC)
    assert mockhub.clock.set(moment) == moment


def test_clock_cannot_be_set_to_the_past(mockhub: Hub) -> None:
    with pytest.raises(MockhubError, match="the clock stands at 2026-04-30T08:00:00.000Z"):
        mockhub.clock.set("2020-01-01T00:00:00Z")


@pytest.mark.mockhub(clock="system")
def test_system_clock_cannot_be_moved(mockhub: Hub) -> None:
    """The error names the clocks that can be moved."""
    with pytest.raises(MockhubError, match="create the hub with clock='autojump'"):
        mockhub.clock.advance(1)


def test_advancing_without_a_next_event_fails(mockhub: Hub) -> None:
    with pytest.raises(MockhubError, match="no next event"):
        mockhub.clock.advance_to_next_event()


@pytest.mark.mockhub(provider="duration=90s")
def test_generation_completes_at_the_next_event(mockhub: Hub) -> None:
    queued = post_generation(mockhub, **{"async": True}).json()
    assert mockhub.generations[0].status == "queued"
    mockhub.clock.advance_to_next_event()
    polled = mockhub.client().get(f"/generations/{queued['id']}").json()
    assert polled["status"] == "succeeded"
    assert mockhub.clock.now() - datetime(2026, 4, 30, 8, tzinfo=UTC) == timedelta(seconds=90)


@pytest.mark.mockhub(clock="hold", provider="duration=30s")
def test_hold_keeps_a_request_open_until_the_clock_moves(mockhub: Hub) -> None:
    """The credits are charged while the response is still pending."""
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(post_generation, mockhub)
        mockhub.wait_for_generations()
        assert mockhub.account.credits == 112
        assert not response.done()
        mockhub.clock.advance("30s")
        assert response.result(timeout=10).status_code == 200


def test_waiting_for_generations_times_out(mockhub: Hub) -> None:
    with pytest.raises(AssertionError, match="timed out waiting for 1 generation; there are 0"):
        mockhub.wait_for_generations(timeout=0.01)


# -- faults ----------------------------------------------------------------------------------------


def test_fault_fires_as_often_as_times_says(mockhub: Hub) -> None:
    mockhub.arm("status=503", times=1)
    assert [post_generation(mockhub).status_code for _ in range(2)] == [503, 200]


def test_disarm_removes_all_faults(mockhub: Hub) -> None:
    mockhub.arm("status=503 on=get_credits")
    mockhub.disarm()
    assert mockhub.client().get("/credits").status_code == 200


@pytest.mark.mockhub(faults=["status=503 x1", "fail on=create_generation"])
def test_marker_arms_faults(mockhub: Hub) -> None:
    assert [post_generation(mockhub).status_code for _ in range(2)] == [503, 500]
    assert mockhub.account.credits == 120


@pytest.mark.mockhub(prompt_faults=False)
def test_marker_switches_prompt_faults_off(mockhub: Hub) -> None:
    assert post_generation(mockhub, prompt="[[fail]]").status_code == 200


def test_reset_after_charges_credits(mockhub: Hub) -> None:
    mockhub.arm("reset@after", times=1)
    with pytest.raises(httpx.TransportError):
        post_generation(mockhub)
    mockhub.assert_spent(8)
    assert mockhub.journal[0].faults == ("reset@after",)


def test_journal_shows_provider_outcomes(mockhub: Hub) -> None:
    """The table of a failing test says that the failure was intended."""
    mockhub.arm("fail x1")
    post_generation(mockhub)
    assert mockhub.journal[0].faults == ("fail",)
    assert "fault fail" in str(mockhub.journal)


def test_provider_outcomes_apply_in_order_and_the_last_repeats(mockhub: Hub) -> None:
    mockhub.provider("deliver=1", "fail")
    responses = [post_generation(mockhub, n=2) for _ in range(3)]
    assert [one.status_code for one in responses] == [200, 500, 500]
    assert [(one.delivered, one.credits) for one in mockhub.generations] == [(1, 8), (0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda hub: hub.arm("rseet"), "unknown directive 'rseet'; did you mean 'reset'"),
        (lambda hub: hub.arm("reset", on="get_credit"), "did you mean 'get_credits'"),
        (lambda hub: hub.arm("reset", times=0), "times=0: expected a whole number from 1"),
        (lambda hub: hub.arm(None), "None is not valid; expected a string such as 'reset@after'"),
        (lambda hub: hub.arm(["reset"]), "['reset'] is not valid; expected a string"),
        (lambda hub: hub.arm("reset x1", times=2), "times=2: reset has times=1 already"),
        (lambda hub: hub.arm("reset on=get_credits", on="get_image"), "has on=get_credits already"),
        (lambda hub: hub.provider(["fail", "deliver=1"]), "is not valid; expected a string"),
        (lambda hub: hub.keys.revoke(None), "unknown API key; expected one of this hub"),
        (lambda hub: hub.keys.expire(5), "unknown API key; expected one of this hub"),
        (lambda hub: hub.accounts[None], "unknown account None"),
        (lambda hub: hub.assert_requested(times="1"), 'times: "1" is not valid; expected a whole'),
        (lambda hub: hub.assert_generated(times="1"), 'times: "1" is not valid; expected a whole'),
        (lambda hub: hub.provider("reset"), "'reset' is not a provider outcome"),
        (lambda hub: hub.clock.advance("soon"), "'soon' is not a duration"),
        (lambda hub: hub.clock.set("noon"), "'noon' is not a time"),
        (lambda hub: hub.account.grant(8, expires_at="x", expires_in=1), "give only one"),
        (lambda hub: hub.account.grant(5.0), "credits: 5.0 is not valid; expected a whole number"),
        (lambda hub: hub.account.grant(-1), "credits: -1 is not valid; expected a whole number"),
        (lambda hub: hub.account.grant(10**400), "credits: a number of more than 200 digits"),
        (lambda hub: hub.accounts.create("x", credits=2**64), "credits: 18446744073709551616"),
        (lambda hub: hub.accounts.create(""), 'account: "" is not valid; expected at most 64'),
        (lambda hub: hub.accounts.create("x/y"), 'account: "x/y" is not valid'),
        (lambda hub: hub.accounts.create("x\n"), "is not valid; expected at most 64 letters"),
        (lambda hub: hub.accounts.create(None), "account: null is not valid"),
        (lambda hub: hub.accounts.create(5), "account: 5 is not valid"),
        (lambda hub: hub.accounts.create("x" * 500), "is not valid; expected at most 64 letters"),
        (lambda hub: hub.account.grant(8, expires_at="9999-12-31T23:59:59-01:00"), "out of range"),
        (lambda hub: hub.account.grant(8, expires_in=timedelta(9999)), "expected at most 3650d"),
        (lambda hub: hub.keys.create(expires_in=-1), "'-1' is not a duration"),
        (lambda hub: hub.clock.set("9999-12-31T23:59:59Z"), "cannot go beyond 9000-01-01"),
        (lambda hub: hub.images("clx"), "unknown generation 'clx'"),
        (lambda hub: hub.assert_generated(promt="x"), "no field 'promt'; did you mean 'prompt'"),
        (lambda hub: hub.journal.filter(staus=1), "no field 'staus'; did you mean 'status'"),
    ],
)
def test_invalid_arguments_are_explained(
    mockhub: Hub, call: Callable[[Hub], object], message: str
) -> None:
    """The error shows the value and what is allowed."""
    with pytest.raises(MockhubError, match=re.escape(message)):
        call(mockhub)
    assert (len(mockhub.accounts), mockhub.account.credits) == (1, 120)


def test_balance_of_a_wrong_type_is_shown_as_such(mockhub: Hub) -> None:
    with pytest.raises(AssertionError, match="expected a balance of '120' credits; it is 120"):
        mockhub.assert_balance("120")  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="expected '0' credits to be spent; 0 were"):
        mockhub.assert_spent("0")  # type: ignore[arg-type]


# -- what happened ---------------------------------------------------------------------------------


def test_journal_has_requests_and_responses(mockhub: Hub) -> None:
    post_generation(mockhub, n=2)
    mockhub.clock.advance("1m")
    post_generation(mockhub, n=9)
    good, bad = mockhub.journal
    assert bad.timestamp - good.timestamp == timedelta(minutes=1)
    assert good.headers["user-agent"].startswith("python-httpx/")
    assert mockhub.key not in str(good)
    assert (
        good.operation,
        good.status,
        good.credits,
        good.fields["n"],
    ) == ("create_generation", 200, -16, 2)
    assert good.response["status"] == "succeeded"
    assert (bad.code, bad.fields["n"]) == ("invalid_request", 9)
    assert list(mockhub.journal.filter(status=400)) == [bad]
    assert list(mockhub.journal[:1]) == [good]


def test_empty_filter_shows_the_nearest_exchanges(mockhub: Hub) -> None:
    """The text of an empty result has the differences, those with the fewest first."""
    post_generation(mockhub, n=9)
    mockhub.client().get("/credits")
    lines = str(mockhub.journal.filter(operation="create_generation", status=402)).splitlines()
    assert lines == [
        "None of 2 requests has operation='create_generation', status=402",
        "  near miss: #1: status was 400, not 402",
        "  near miss: #2: operation was 'get_credits', not 'create_generation'; status was 200, "
        "not 402",
    ]
    assert len(mockhub.journal.filter(path=re.compile("credits$"))) == 1


def test_empty_filter_of_an_empty_journal(mockhub: Hub) -> None:
    assert str(mockhub.journal.filter(status=402)) == "No requests were recorded."


def test_journal_text_has_one_line_each_and_no_keys(mockhub: Hub) -> None:
    """Control characters of prompts and paths are escaped."""
    post_generation(mockhub, prompt=f"\x1b[2J {mockhub.key}")
    mockhub.client().get("/%0Anothing")
    text = str(mockhub.journal)
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    assert "-8 credits" in text


def test_images_returns_the_files_of_the_image_urls(mockhub: Hub) -> None:
    response = post_generation(mockhub, n=2).json()
    post_generation(mockhub, prompt="A dog")
    downloaded = [httpx.get(image["url"]).content for image in response["images"]]
    assert mockhub.images(response["id"]) == downloaded
    assert [read_metadata(one)["prompt"] for one in mockhub.images()] == ["A cat", "A cat", "A dog"]


# -- assertions ------------------------------------------------------------------------------------


def test_assertions_that_hold_pass(mockhub: Hub) -> None:
    post_generation(mockhub, n=2)
    post_generation(mockhub, prompt="A [[fail]] dog")
    mockhub.assert_generated()
    mockhub.assert_generated(prompt="A cat", n=2, times=1, status="succeeded", size="1024x1024")
    mockhub.assert_generated(prompt=re.compile("dog$"), status="failed", credits=0)
    mockhub.assert_generated(prompt="A cow", times=0)
    mockhub.assert_spent(16)


def test_failed_assertion_shows_near_misses(mockhub: Hub) -> None:
    """The most similar request comes first, with the fields that differ, then the journal."""
    post_generation(mockhub, prompt="A dog with a very long tail")
    post_generation(mockhub, n=2)
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_generated(prompt="A cat", n=3)
    lines = str(caught.value).splitlines()
    assert lines[0] == "expected a generation with prompt='A cat', n=3; there are 0"
    assert lines[1] == "  near miss: #2: n was 2, not 3"
    assert lines[2].startswith("  near miss: #1: prompt was 'A dog")
    assert str(mockhub.journal) in str(caught.value)


@pytest.mark.mockhub(credits=0)
def test_rejected_request_can_be_a_near_miss(mockhub: Hub) -> None:
    post_generation(mockhub)
    with pytest.raises(
        AssertionError, match="near miss: #1: the response was 402 insufficientCredits"
    ):
        mockhub.assert_generated(prompt="A cat")


def test_too_many_generations_are_listed_by_id(mockhub: Hub) -> None:
    ids = [post_generation(mockhub).json()["id"] for _ in range(2)]
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_generated(prompt="A cat", times=1)
    first = str(caught.value).splitlines()[0]
    assert first == f"expected 1 generation with prompt='A cat'; there are 2: {', '.join(ids)}"
    assert "near miss" not in str(caught.value)


def test_assert_spent_shows_the_actual_credits(mockhub: Hub) -> None:
    post_generation(mockhub, prompt="[[deliver=1]]", n=3)
    with pytest.raises(AssertionError, match="expected 24 credits to be spent; 8 were"):
        mockhub.assert_spent(24)


def test_double_charge_is_detected(mockhub: Hub) -> None:
    """A retry after a lost response is charged again; the message suggests a remedy."""
    mockhub.assert_no_double_charge()
    mockhub.arm("reset@after", times=1)
    with pytest.raises(httpx.TransportError):
        post_generation(mockhub)
    mockhub.assert_no_double_charge()
    post_generation(mockhub)
    with pytest.raises(
        AssertionError, match="One request was charged 2 times.*\n  suggestion: Send"
    ):
        mockhub.assert_no_double_charge()
    assert [one.kind for one in mockhub.report().findings] == ["double_charge"]


def test_reset_restores_the_initial_state(mockhub: Hub) -> None:
    mockhub.arm("status=503")
    mockhub.clock.advance("1h")
    post_generation(mockhub)
    mockhub.reset()
    assert mockhub.client().get("/credits").json()["credits"] == 120
    assert mockhub.clock.now() == datetime(2026, 4, 30, 8, tzinfo=UTC)
    assert [one.path for one in mockhub.journal] == ["/api/v1/credits"]
    assert mockhub.generations == ()
    mockhub.assert_spent(0)


def test_requests_of_no_hub_are_shown_beside_the_journal(mockhub: Hub) -> None:
    httpx.get(f"{mockhub.server_url}/api/v1/credits", headers={"Authorization": "Bearer unknown"})
    with pytest.raises(
        AssertionError, match="Without a key of a hub .*\n#[0-9]+ +GET /api/v1/credits  401"
    ):
        mockhub.assert_spent(8)


def test_clients_share_the_certificates_that_they_trust(
    mockhub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read them takes much longer than a request."""
    mockhub.client()
    monkeypatch.setattr(ssl, "create_default_context", None)
    assert mockhub.client().get("/credits").status_code == 200
