"""The hub in a test's hand, through the fixture that users have."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import openai
import pytest

from mockhub import Hub, MockhubError
from mockhub.images.renderer import read_metadata

CAT = {"model": "gpt-image-2", "prompt": "A cat", "size": "1024x1024"}


def ask(hub: Hub, **fields: object) -> httpx.Response:
    """Ask for a picture of a cat, or for what *fields* say."""
    return hub.client().post("/images/generations", json={**CAT, **fields})


# -- where it is -----------------------------------------------------------------------------------


def test_base_url_is_what_an_sdk_wants(mockhub: Hub) -> None:
    """An OpenAI client with the hub's base_url and key generates, and pays."""
    client = openai.OpenAI(base_url=mockhub.base_url, api_key=mockhub.key)
    client.images.generate(**CAT)
    mockhub.assert_spent(8)


def test_url_is_the_same_without_api_v1(mockhub: Hub) -> None:
    """`url` stands in the place of the published host, `base_url` has /api/v1 after it."""
    assert mockhub.base_url == f"{mockhub.url}/api/v1"
    assert httpx.get(f"{mockhub.url}/api/v1/models").status_code == 200


def test_clients_take_paths_with_and_without_api_v1(mockhub: Hub) -> None:
    """A path may be written as the documentation writes it, or as it follows the base URL."""
    client = mockhub.client()
    for path in ("/api/v1/credits", "/credits", "credits", f"{mockhub.base_url}/credits"):
        assert client.get(path).status_code == 200, path
    assert client.post("/api/v1/images/generations", json=CAT).status_code == 200


@pytest.mark.asyncio
async def test_async_clients_take_them_too(mockhub: Hub) -> None:
    """What holds for `client` holds for `async_client`."""
    async with mockhub.async_client() as client:
        assert (await client.get("/api/v1/credits")).status_code == 200
        assert (await client.get("/credits")).status_code == 200


def test_the_key_alone_leads_to_the_hub(mockhub: Hub) -> None:
    """At the server's own address a hub's key finds its account, its journal and its picture."""
    headers = {"Authorization": f"Bearer {mockhub.key}"}
    url = f"{mockhub.server_url}/api/v1/images/generations"
    answer = httpx.post(url, json=CAT, headers=headers).json()
    assert answer["balance"]["credits"] == mockhub.account.credits
    assert len(mockhub.journal) == 1
    assert mockhub.images() == [httpx.get(answer["images"][0]["url"]).content]


def test_a_closed_hub_is_gone_from_the_server(mockhub_factory: Callable[..., Hub]) -> None:
    """After `close` the address is 404 and the key opens nothing, but the test can go on asking."""
    hub = mockhub_factory(faults="reset@after x1")
    with pytest.raises(httpx.TransportError):
        ask(hub)
    ask(hub)
    hub.close()
    headers = {"Authorization": f"Bearer {hub.key}"}
    assert httpx.get(f"{hub.base_url}/credits", headers=headers).status_code == 404
    assert httpx.get(f"{hub.server_url}/api/v1/credits", headers=headers).status_code == 401
    assert [one.status for one in hub.journal] == [0, 200]
    assert len(hub.images()) == 2
    hub.assert_generated(prompt="A cat", times=2)
    with pytest.raises(AssertionError, match="charged 2 times"):
        hub.assert_no_double_charge()


def test_hubs_of_one_test_are_apart(mockhub_factory: Callable[..., Hub]) -> None:
    """What one hub of a test pays, another one does not see."""
    one, two = mockhub_factory(credits=8), mockhub_factory(credits=8)
    ask(one)
    assert (one.account.credits, two.account.credits) == (0, 8)
    assert one.url != two.url
    assert one.key != two.key


# -- money -----------------------------------------------------------------------------------------


@pytest.mark.mockhub(credits=8)
def test_credits_are_what_the_mark_says(mockhub: Hub) -> None:
    """The first picture is paid, the second refused."""
    assert [ask(mockhub).status_code for _ in range(2)] == [200, 402]
    assert mockhub.account.credits == 0


@pytest.mark.mockhub(scenario="default", credits=20)
def test_credits_are_what_is_left_after_a_scenarios_own_generations(mockhub: Hub) -> None:
    """A balance is a balance, whatever the scenario's account has paid before."""
    assert mockhub.account.credits == 20
    mockhub.assert_spent(0)
    assert mockhub.generations == ()


@pytest.mark.mockhub(credits=0)
def test_granted_credits_expire_by_the_hubs_clock(mockhub: Hub) -> None:
    """A grant that expires is gone when its time has come."""
    mockhub.grant(16, expires_in="1h")
    assert mockhub.account.credits == 16
    mockhub.clock.advance_to_next_event()
    assert mockhub.account.credits == 0
    assert [one.kind for one in mockhub.account.entries] == ["grant", "grant", "expiry"]


def test_another_user_has_an_account_and_a_key(mockhub: Hub) -> None:
    """A second user pays from their own purse, and does not see the first one's generation."""
    bob = mockhub.accounts.create("bob", credits=8)
    made = ask(mockhub).json()["id"]
    client = mockhub.client(bob.key)
    assert client.get(f"/generations/{made}").status_code == 404
    assert client.post("/images/generations", json=CAT).status_code == 200
    assert (mockhub.account.credits, bob.credits) == (112, 0)


def test_an_unknown_account_is_explained(mockhub: Hub) -> None:
    """The error names the closest account."""
    mockhub.accounts.create("robert")
    with pytest.raises(MockhubError, match=r"no account 'robrt'; did you mean 'robert'\?"):
        mockhub.accounts["robrt"]
    with pytest.raises(MockhubError, match="there is an account 'robert' already"):
        mockhub.accounts.create("robert")


# -- keys ------------------------------------------------------------------------------------------


def test_keys_are_made_revoked_and_expired(mockhub: Hub) -> None:
    """A new key works until it is revoked, or until its time has come."""
    keys = [mockhub.keys.create(), mockhub.keys.create(expires_in="10m"), mockhub.keys.create()]
    clients = [mockhub.client(key) for key in keys]
    assert [one.get("/credits").status_code for one in clients] == [200, 200, 200]
    mockhub.keys.revoke(keys[0])
    mockhub.keys.expire(keys[2])
    mockhub.clock.advance("10m")
    answers = [one.get("/credits").json()["error"]["code"] for one in clients]
    assert answers == ["invalidApiKey", "expiredApiKey", "expiredApiKey"]


def test_a_foreign_key_is_refused(mockhub: Hub) -> None:
    """To revoke what is no key of the hub is a mistake that is told, without the key."""
    with pytest.raises(MockhubError, match="no key of this hub"):
        mockhub.keys.revoke("gih_live_nobody")


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.mockhub(clock="2030-01-01T00:00:00Z")
def test_the_clock_moves_only_when_told(mockhub: Hub) -> None:
    """It begins where the mark says, and is advanced by texts, seconds and timedeltas."""
    assert datetime(2030, 1, 1, tzinfo=UTC) == mockhub.clock.now()
    mockhub.clock.advance("2m")
    mockhub.clock.advance(30)
    mockhub.clock.advance(timedelta(hours=1))
    assert datetime(2030, 1, 1, 1, 2, 30, tzinfo=UTC) == mockhub.clock.now()
    moment = datetime(2031, 1, 1, tzinfo=UTC)
    assert moment == mockhub.clock.set(moment)


def test_the_clock_does_not_go_back(mockhub: Hub) -> None:
    """The error says where the clock stands."""
    with pytest.raises(MockhubError, match="the clock stands at 2026-04-30T08:00:00.000Z"):
        mockhub.clock.set("2020-01-01T00:00:00Z")


@pytest.mark.mockhub(clock="system")
def test_the_systems_clock_cannot_be_moved(mockhub: Hub) -> None:
    """The error says how to begin instead."""
    with pytest.raises(MockhubError, match="begin with clock='autojump'"):
        mockhub.clock.advance(1)


def test_nothing_due_is_told(mockhub: Hub) -> None:
    """To wait for what will not happen is a mistake."""
    with pytest.raises(MockhubError, match="nothing falls due"):
        mockhub.clock.advance_to_next_event()


@pytest.mark.mockhub(provider="duration=90s")
def test_a_job_ends_at_the_next_event(mockhub: Hub) -> None:
    """A queued generation is there once its 90 seconds have passed on the hub's clock."""
    queued = ask(mockhub, **{"async": True}).json()
    assert mockhub.generations[0].status == "queued"
    mockhub.clock.advance_to_next_event()
    polled = mockhub.client().get(f"/generations/{queued['id']}").json()
    assert polled["status"] == "succeeded"
    assert timedelta(seconds=90) == mockhub.clock.now() - datetime(2026, 4, 30, 8, tzinfo=UTC)


@pytest.mark.mockhub(clock="hold", provider="duration=30s")
def test_a_held_request_stays_open_until_time_passes(mockhub: Hub) -> None:
    """In the hold manner the money is gone and the answer open, until the test moves the clock."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, mockhub)
        mockhub.wait_for_generations()
        assert mockhub.account.credits == 112
        assert not answer.done()
        mockhub.clock.advance("30s")
        assert answer.result(timeout=10).status_code == 200


def test_waiting_in_vain_ends(mockhub: Hub) -> None:
    """A generation that does not come is told with the journal."""
    with pytest.raises(AssertionError, match="timed out waiting for 1 generation; there are 0"):
        mockhub.wait_for_generations(timeout=0.01)


# -- misbehaviour ----------------------------------------------------------------------------------


def test_an_armed_fault_strikes_as_often_as_said(mockhub: Hub) -> None:
    """`times=1` strikes once; the next call is answered."""
    mockhub.arm("status=503", times=1)
    assert [ask(mockhub).status_code for _ in range(2)] == [503, 200]


def test_faults_can_be_disarmed(mockhub: Hub) -> None:
    """After `disarm` nothing strikes."""
    mockhub.arm("status=503 on=get_credits")
    mockhub.disarm()
    assert mockhub.client().get("/credits").status_code == 200


@pytest.mark.mockhub(faults=["status=503 x1", "fail on=create_generation"])
def test_the_mark_arms(mockhub: Hub) -> None:
    """Directives of the mark are armed before the test begins."""
    assert [ask(mockhub).status_code for _ in range(2)] == [503, 500]
    assert mockhub.account.credits == 120


def test_a_lost_answer_has_been_paid_for(mockhub: Hub) -> None:
    """`reset@after` takes the money and loses the answer."""
    mockhub.arm("reset@after", times=1)
    with pytest.raises(httpx.TransportError):
        ask(mockhub)
    mockhub.assert_spent(8)
    assert mockhub.journal[0].faults == ("reset@after",)


def test_the_provider_is_scripted(mockhub: Hub) -> None:
    """One outcome a generation; the last one repeats."""
    mockhub.provider("deliver=1", "fail")
    answers = [ask(mockhub, n=2) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 500, 500]
    assert [(one.delivered, one.credits) for one in mockhub.generations] == [(1, 8), (0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda hub: hub.arm("rseet"), "unknown directive 'rseet'; did you mean 'reset'"),
        (lambda hub: hub.arm("reset", on="get_credit"), "did you mean 'get_credits'"),
        (lambda hub: hub.arm("reset", times=0), "times=0: expected a whole number from 1"),
        (lambda hub: hub.provider("reset"), "'reset' is not a provider outcome"),
        (lambda hub: hub.clock.advance("soon"), "'soon' is not a duration"),
        (lambda hub: hub.clock.set("noon"), "'noon' is not a time"),
        (lambda hub: hub.grant(8, expires_at="x", expires_in=1), "give one of the two"),
        (lambda hub: hub.images("clx"), "no generation 'clx'"),
        (lambda hub: hub.assert_generated(promt="x"), "no 'promt'; did you mean 'prompt'"),
        (lambda hub: hub.journal.filter(staus=1), "no 'staus'; did you mean 'status'"),
    ],
)
def test_mistakes_are_explained(mockhub: Hub, call: Callable[[Hub], object], told: str) -> None:
    """An error shows the value and says what is allowed."""
    with pytest.raises(MockhubError, match=re.escape(told)):
        call(mockhub)


# -- what happened ---------------------------------------------------------------------------------


def test_the_journal_tells_what_the_client_did(mockhub: Hub) -> None:
    """An exchange has the fields that were asked for, the answer, its code and its credits."""
    ask(mockhub, n=2)
    mockhub.clock.advance("1m")
    ask(mockhub, n=9)
    good, bad = mockhub.journal
    assert timedelta(minutes=1) == bad.timestamp - good.timestamp
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
    assert [bad] == list(mockhub.journal.filter(status=400))
    assert [good] == list(mockhub.journal[:1])


def test_the_journal_is_a_table_without_keys(mockhub: Hub) -> None:
    """Its text has a line an exchange, escapes hostile prompts, and holds no key."""
    ask(mockhub, prompt=f"\x1b[2J {mockhub.key}")
    mockhub.client().get("/%0Anothing")
    text = str(mockhub.journal)
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    assert "-8 credits" in text


def test_images_are_the_files_behind_the_urls(mockhub: Hub) -> None:
    """`images` gives what a client downloads, and the file tells the prompt."""
    answer = ask(mockhub, n=2).json()
    ask(mockhub, prompt="A dog")
    downloaded = [httpx.get(image["url"]).content for image in answer["images"]]
    assert downloaded == mockhub.images(answer["id"])
    assert [read_metadata(one)["prompt"] for one in mockhub.images()] == ["A cat", "A cat", "A dog"]


# -- claims ----------------------------------------------------------------------------------------


def test_claims_that_hold_say_nothing(mockhub: Hub) -> None:
    """Prompts may be patterns; all fields and the end of a generation can be claimed."""
    ask(mockhub, n=2)
    ask(mockhub, prompt="A [[fail]] dog")
    mockhub.assert_generated()
    mockhub.assert_generated(prompt="A cat", n=2, times=1, status="succeeded", size="1024x1024")
    mockhub.assert_generated(prompt=re.compile("dog$"), status="failed", credits=0)
    mockhub.assert_generated(prompt="A cow", times=0)
    mockhub.assert_spent(16)


def test_a_claim_that_fails_shows_near_misses(mockhub: Hub) -> None:
    """The closest request comes first, with the fields that differ, and then the journal."""
    ask(mockhub, prompt="A dog with a very long tail")
    ask(mockhub, n=2)
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_generated(prompt="A cat", n=3)
    lines = str(caught.value).splitlines()
    assert lines[0] == "expected a generation with prompt='A cat', n=3; there are 0"
    assert lines[1] == "  near miss: #2: n was 2, not 3"
    assert lines[2].startswith("  near miss: #1: prompt was 'A dog")
    assert str(mockhub.journal) in str(caught.value)


@pytest.mark.mockhub(credits=0)
def test_a_near_miss_may_be_a_refusal(mockhub: Hub) -> None:
    """A request that was refused says with what it was answered."""
    ask(mockhub)
    with pytest.raises(
        AssertionError, match="near miss: #1: the response was 402 insufficientCredits"
    ):
        mockhub.assert_generated(prompt="A cat")


def test_too_many_are_told_by_their_ids(mockhub: Hub) -> None:
    """Two where one was claimed: both are named, and there is no near miss."""
    ids = [ask(mockhub).json()["id"] for _ in range(2)]
    with pytest.raises(AssertionError) as caught:
        mockhub.assert_generated(prompt="A cat", times=1)
    first = str(caught.value).splitlines()[0]
    assert f"expected 1 generation with prompt='A cat'; there are 2: {', '.join(ids)}" == first
    assert "near miss" not in str(caught.value)


def test_a_wrong_sum_is_told(mockhub: Hub) -> None:
    """The claim says what was spent, refunds taken off."""
    ask(mockhub, prompt="[[deliver=1]]", n=3)
    with pytest.raises(AssertionError, match="expected 24 credits to be spent; 8 were"):
        mockhub.assert_spent(24)


def test_paying_twice_for_one_request_is_told(mockhub: Hub) -> None:
    """A lost answer that is sent again is paid again; the claim names it and what to do instead."""
    mockhub.assert_no_double_charge()
    mockhub.arm("reset@after", times=1)
    with pytest.raises(httpx.TransportError):
        ask(mockhub)
    mockhub.assert_no_double_charge()
    ask(mockhub)
    with pytest.raises(
        AssertionError, match="One request was charged 2 times.*\n  suggestion: Send"
    ):
        mockhub.assert_no_double_charge()
    assert [one.kind for one in mockhub.report().findings] == ["double_charge"]


def test_a_reset_hub_begins_again(mockhub: Hub) -> None:
    """After `reset` the money, the clock and the journal are as at the start, and the key works."""
    mockhub.arm("status=503")
    mockhub.clock.advance("1h")
    ask(mockhub)
    mockhub.reset()
    assert mockhub.client().get("/credits").json()["credits"] == 120
    assert datetime(2026, 4, 30, 8, tzinfo=UTC) == mockhub.clock.now()
    assert [one.path for one in mockhub.journal] == ["/api/v1/credits"]
    assert mockhub.generations == ()
    mockhub.assert_spent(0)


def test_what_went_astray_is_told(mockhub: Hub) -> None:
    """A request that found no hub, for want of a key, is shown beside the journal."""
    httpx.get(f"{mockhub.server_url}/api/v1/credits", headers={"Authorization": "Bearer nobody"})
    with pytest.raises(AssertionError, match="Of no hub, .*\n#[0-9]+ +GET /api/v1/credits  401"):
        mockhub.assert_spent(8)
