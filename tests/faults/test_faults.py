"""Faults over HTTP: from every channel, before and after the operation, on every operation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.domain.provider import Provider, parse_outcome
from mockhub.faults.grammar import parse_directives, with_conditions
from tests.support.live_server import BODY, KEY, PNG, POOR, PUBLISHED, RICH, LiveHub, serve_hub

GENERATION = "generations/clx_generation_log_id"


def arm(hub: LiveHub, text: str, **conditions: object) -> None:
    directives = [with_conditions(directive, **conditions) for directive in parse_directives(text)]
    hub.server.call(lambda: hub.backend.faults.arm(directives))


def by_prompt(hub: LiveHub, text: str) -> httpx.Response:
    return hub.generate({"prompt": f"A cat [[{text}]]"})


def by_header(hub: LiveHub, text: str) -> httpx.Response:
    return hub.generate({}, headers={"X-Mockhub": text})


def by_python(hub: LiveHub, text: str) -> httpx.Response:
    arm(hub, text)
    try:
        return hub.generate({})
    finally:
        hub.server.call(hub.backend.faults.clear)


CHANNELS = {"prompt": by_prompt, "header": by_header, "python": by_python}


@pytest.fixture(params=CHANNELS)
def inject(request: pytest.FixtureRequest) -> Callable[[LiveHub, str], httpx.Response]:
    """Return a function that sends a request with a fault, for each channel without a file."""
    inject: Callable[[LiveHub, str], httpx.Response] = CHANNELS[request.param]
    return inject


Inject = Callable[[LiveHub, str], httpx.Response]


@pytest.mark.parametrize("status", [400, 401, 402, 404, 500, 408, 418, 429, 502, 503, 504, 599])
def test_status_before_changes_nothing(hub: LiveHub, inject: Inject, status: int) -> None:
    """status=NNN sends that status, by default before the operation."""
    assert inject(hub, f"status={status}").status_code == status
    assert hub.credits() == 120


@pytest.mark.parametrize("status", [402, 429, 503])
def test_status_after_is_charged(hub: LiveHub, inject: Inject, status: int) -> None:
    """status=NNN@after sends that status although the credits were charged and the image exists."""
    count = len(hub.backend.generations)
    assert inject(hub, f"status={status}@after").status_code == status
    assert (hub.credits(), len(hub.backend.generations)) == (112, count + 1)


def test_gateway_statuses_send_html(hub: LiveHub, inject: Inject) -> None:
    """502, 503 and 504 are a gateway's HTML page, which no JSON parser accepts."""
    for status in (502, 503, 504):
        response = inject(hub, f"status={status}")
        assert response.headers["content-type"] == "text/html"
        assert f"<title>{status} " in response.text


def test_429_has_retry_after(hub: LiveHub, inject: Inject) -> None:
    response = inject(hub, "status=429")
    assert (
        response.headers["retry-after"],
        response.json()["error"]["code"],
    ) == ("1", "tooManyRequests")


def test_documented_statuses_have_their_codes(hub: LiveHub, inject: Inject) -> None:
    """A documented status has the documented shape, and 401 its challenge."""
    codes = {400: "invalid_request", 402: "insufficientCredits", 404: "notFound"}
    codes |= {401: "missingApiKey", 500: "generationFailed"}
    for status, code in codes.items():
        response = inject(hub, f"status={status}")
        assert response.json()["error"]["code"] == code
        assert ("www-authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize(
    ("text", "credits"), [("reset", 120), ("reset@before", 120), ("reset@after", 112)]
)
def test_reset_resets_the_connection(hub: LiveHub, inject: Inject, text: str, credits: int) -> None:
    """reset resets the connection before or after the credits are charged."""
    with pytest.raises(httpx.ReadError, match="reset"):
        inject(hub, text)
    assert hub.credits() == credits


@pytest.mark.parametrize(("text", "credits"), [("hang", 120), ("hang@after", 112)])
def test_hang_sends_no_response(hub: LiveHub, inject: Inject, text: str, credits: int) -> None:
    """hang keeps the client waiting until it gives up, before or after the credits are charged."""
    hub.client.timeout = httpx.Timeout(30, read=0.1)
    with pytest.raises(httpx.ReadTimeout):
        inject(hub, text)
    hub.client.timeout = httpx.Timeout(30)
    assert hub.credits() == credits


def test_truncated_response_is_charged(hub: LiveHub, inject: Inject) -> None:
    """truncate cuts the response in its middle; the request was processed."""
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete|without sending complete"):
        inject(hub, "truncate")
    assert hub.credits() == 112


def test_corrupt_response_is_not_json(hub: LiveHub, inject: Inject) -> None:
    """corrupt spoils the JSON but neither status nor length; the request was processed."""
    response = inject(hub, "corrupt")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert str(len(response.content)) == response.headers["content-length"]
    with pytest.raises(ValueError, match="control character"):
        response.json()
    assert hub.credits() == 112


def test_drip_sends_many_chunks(hub: LiveHub) -> None:
    """drip sends the whole response in many chunks."""
    headers = {"Authorization": f"Bearer {KEY}", "X-Mockhub": "drip=100ms"}
    path = "/api/v1/images/generations"
    with hub.client.stream("POST", path, json=BODY, headers=headers) as response:
        chunks = list(response.iter_raw())
    assert len(chunks) > 5
    assert str(sum(map(len, chunks))) == response.headers["content-length"]


def test_delay_moves_the_clock_of_the_hub(hub: LiveHub, inject: Inject) -> None:
    """delay moves a clock that jumps; the response is the usual one."""
    started = hub.backend.clock.now()
    assert inject(hub, "delay=30s").status_code == 200
    assert hub.backend.clock.now() - started == 30_000


@pytest.mark.parametrize(
    ("text", "status", "credits"),
    [("fail", 500, 120), ("deliver=0", 500, 120), ("duration=801s", 500, 120), ("never", 500, 120)],
)
def test_provider_outcomes_work_in_every_channel(
    hub: LiveHub, inject: Inject, text: str, status: int, credits: int
) -> None:
    """A provider outcome applies to the generation, whatever channel it came from (LED-2)."""
    assert inject(hub, text).status_code == status
    assert hub.credits() == credits


def test_partial_delivery(hub: LiveHub) -> None:
    """deliver=2 of 4 in a prompt, a header and Python costs two images (LED-3)."""
    responses = [
        hub.generate({"n": 4, "prompt": "[[deliver=2]]"}),
        hub.generate({"n": 4}, headers={"X-Mockhub": "deliver=2"}),
    ]
    arm(hub, "deliver=2")
    responses.append(hub.generate({"n": 4}))
    assert [response.json()["usage"]["credits"] for response in responses] == [16, 16, 16]
    assert hub.credits() == 120 - 48


# -- counting --------------------------------------------------------------------------------------


def test_two_failures_and_then_success(hub: LiveHub, inject: Inject) -> None:
    """x2 fires on two requests; the third equal request succeeds."""
    if inject is by_python:
        arm(hub, "status=503 x2")
        statuses = [hub.generate({}).status_code for _ in range(4)]
    else:
        statuses = [inject(hub, "status=503 x2").status_code for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert hub.credits() == 104


def test_listed_faults_fire_one_by_one(hub: LiveHub, inject: Inject) -> None:
    """Two 503, one 429, and then success, whatever channel the list came from."""
    row = "status=503 x2, status=429 x1"
    if inject is by_python:
        arm(hub, row)
        statuses = [hub.generate({}).status_code for _ in range(4)]
    else:
        statuses = [inject(hub, row).status_code for _ in range(4)]
    assert statuses == [503, 503, 429, 200]


def test_nth_fires_on_the_second_request_only(hub: LiveHub, inject: Inject) -> None:
    if inject is by_python:
        arm(hub, "status=503 nth=2")
        assert [hub.generate({}).status_code for _ in range(3)] == [200, 503, 200]
    else:
        assert [inject(hub, "status=503 nth=2").status_code for _ in range(3)] == [200, 503, 200]


def test_each_key_has_its_own_counter(hub: LiveHub) -> None:
    """Requests with another key do not use up the fault of a prompt or a header."""
    first = [
        hub.generate({"prompt": "[[status=503 x1]]"}, key=key).status_code for key in (KEY, RICH)
    ]
    again = [
        hub.generate({"prompt": "[[status=503 x1]]"}, key=key).status_code for key in (KEY, RICH)
    ]
    other = hub.generate({"prompt": "another [[status=503 x1]]"}).status_code
    assert (first, again, other) == ([503, 503], [200, 200], 503)


def test_probability_depends_on_the_seed_of_the_hub(hub: LiveHub) -> None:
    """p=0.5 fires on some requests, the same ones in every hub with the same seed."""

    def run(server: LiveHub) -> list[int]:
        with_header = {"X-Mockhub": "status=503 p=0.5"}
        return [server.get("credits", headers=with_header).status_code for _ in range(40)]

    with serve_hub() as twin:
        statuses = run(hub)
        assert statuses == run(twin)
    assert set(statuses) == {200, 503}


def test_rejected_request_uses_up_no_outcome(hub: LiveHub) -> None:
    """fail x1 waits for a generation that is paid (LED-5)."""
    arm(hub, "fail x1")
    responses = [
        hub.generate({}, key=POOR),
        hub.generate({"n": 9}),
        hub.generate({}),
        hub.generate({}),
    ]
    assert [response.status_code for response in responses] == [402, 400, 500, 200]


# -- which requests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "path"),
    [("list_models", "models"), ("get_credits", "credits"), ("get_generation", GENERATION)],
)
def test_faults_fire_on_reads(hub: LiveHub, operation: str, path: str) -> None:
    """A header, Prefer or on= affects an operation that reads, and no other."""
    assert hub.get(path, headers={"X-Mockhub": "status=503"}).status_code == 503
    assert hub.get(path, headers={"Prefer": "code=402"}).status_code == 402
    assert hub.get(path, headers={"X-Mockhub": "reset on=create_generation"}).status_code == 200
    arm(hub, f"status=429 on={operation}")
    statuses = {
        resource: hub.get(resource).status_code for resource in ("models", "credits", GENERATION)
    }
    assert {statuses.pop(path)} == {429}
    assert set(statuses.values()) == {200}
    assert hub.generate({}).status_code == 200


def test_poll_lost_after_it_counted(hub: LiveHub) -> None:
    """After reset@after on a poll, the generation has moved on without the client knowing."""
    queued = hub.generate({"async": True, "prompt": "[[polls=2]]"}).json()["id"]
    arm(hub, "reset@after on=get_generation x1")
    with pytest.raises(httpx.ReadError):
        hub.get(f"generations/{queued}")
    assert hub.get(f"generations/{queued}").json()["status"] == "succeeded"


def test_poll_lost_before_it_counted(hub: LiveHub) -> None:
    """A fault @before on a poll does not count the poll."""
    queued = hub.generate({"async": True, "prompt": "[[polls=2]]"}).json()["id"]
    for _ in range(3):
        response = hub.get(f"generations/{queued}", headers={"X-Mockhub": "status=503"})
        assert response.status_code == 503
    states = [hub.get(f"generations/{queued}").json()["status"] for _ in range(2)]
    assert states == ["processing", "succeeded"]


def test_prompt_applies_to_the_polls_of_its_generation(hub: LiveHub) -> None:
    """[[... on=get_generation]] affects the polls of its own generation, and of no other."""
    prompt = "[[status=503 x2 on=get_generation]] [[polls=2]]"
    queued = hub.generate({"async": True, "prompt": prompt}).json()["id"]
    responses = [hub.get(f"generations/{queued}") for _ in range(4)]
    assert [response.status_code for response in responses] == [503, 503, 200, 200]
    assert [response.json()["status"] for response in responses[2:]] == ["processing", "succeeded"]
    assert hub.get(GENERATION).status_code == 200
    assert hub.get(f"generations/{queued}", RICH).status_code == 404


def test_armed_fault_waits_for_its_prompt(hub: LiveHub) -> None:
    """A fault that is armed for a prompt fires only on requests whose prompt contains it."""
    arm(hub, "status=503", prompt="cat")
    prompts = ["a dog", "a cat", "concatenate", "Cat"]
    statuses = [hub.generate({"prompt": prompt}).status_code for prompt in prompts]
    assert statuses == [200, 503, 503, 200]
    assert hub.get("credits").status_code == 200


def test_early_fault_comes_before_validation(hub: LiveHub) -> None:
    """A fault @before comes before key and body are checked; one in a prompt comes after."""
    headers = {"X-Mockhub": "status=503"}
    assert hub.generate({"n": 9}, key=None, headers=headers).status_code == 503
    assert hub.generate({"n": 9, "prompt": "[[status=503]]"}).status_code == 400
    assert hub.generate({"prompt": "[[status=503]]"}, key=None).status_code == 401
    assert hub.generate({"prompt": "[[status=503@after]]"}, key=POOR).status_code == 503


def test_nothing_fires_after_a_terminal_fault(hub: LiveHub) -> None:
    """After an early status no @after fault fires, except one that alters the response."""
    assert by_header(hub, "status=503 reset@after delay=30s@after").status_code == 503
    assert hub.backend.clock.now() == PUBLISHED
    altered = by_header(hub, "status=500 corrupt")
    assert altered.status_code == 500
    with pytest.raises(ValueError, match="control character"):
        altered.json()
    assert hub.credits() == 120


def test_prompt_of_a_form_has_faults(hub: LiveHub) -> None:
    form = {"model": "gpt-image-2", "prompt": "[[status=503]]"}
    response = hub.generate(data=form, files={"reference_image": ("r.png", PNG)})
    assert response.status_code == 503


def test_prompt_faults_can_be_switched_off(hub: LiveHub) -> None:
    """Brackets are then text, also when a generation is polled; armed faults still fire."""
    prompt = "[[duration=60s]] [[status=503 on=get_generation]]"
    queued = hub.generate({"prompt": prompt, "async": True})
    hub.backend.prompt_faults = False
    assert hub.get(f"generations/{queued.json()['id']}").status_code == 200
    assert [hub.generate({"prompt": p}).status_code for p in ("[[fail]]", "[[fial]]")] == [200, 200]
    hub.backend.faults.arm([with_conditions(*parse_directives("status=503"), prompt="fail")])
    assert hub.generate({"prompt": "[[fail]]"}).status_code == 503


@pytest.mark.parametrize("channel", ["X-Mockhub", "Prefer", "prompt"])
def test_wrong_directive_is_rejected(hub: LiveHub, channel: str) -> None:
    """A wrong directive is 400 with the channel and the closest word; nothing is charged."""
    if channel == "prompt":
        response = hub.generate({"prompt": "[[statsu=503]]"})
    elif channel == "Prefer":
        response = hub.generate({}, headers={channel: "code=2000"})
    else:
        response = hub.generate({}, headers={channel: "statsu=503"})
    message = response.json()["error"]["message"]
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
    assert message.startswith(f"{channel}: ")
    hints = ("did you mean 'status'?", "expected a whole number from 400 to 599")
    assert any(hint in message for hint in hints)
    assert hub.credits() == 120


def test_repeated_header_is_one_list(hub: LiveHub) -> None:
    """X-Mockhub sent twice counts twice, and an error in either is reported."""
    both = [
        ("Authorization", f"Bearer {KEY}"),
        ("X-Mockhub", "delay=5s"),
        ("X-Mockhub", "status=503"),
    ]
    started = hub.backend.clock.now()
    assert hub.client.get("/api/v1/credits", headers=both).status_code == 503
    assert hub.backend.clock.now() - started == 5000
    wrong = [*both, ("X-Mockhub", "statsu=503")]
    assert hub.client.get("/api/v1/credits", headers=wrong).status_code == 400


def test_scenario_sets_faults_and_provider(tmp_path: Path) -> None:
    """Faults and the provider script of a scenario hold from the start, in their order."""
    accounts = resource_path("fixtures/scenarios/default.yaml").read_text("utf-8")
    settings = """
provider: [fail, deliver=1, "duration=5s"]
faults:
  - status=503 x1
  - status=429 x1
  - {fault: "status=402@after", prompt: cat}
"""
    (tmp_path / "own.yaml").write_text(accounts + settings, "utf-8")
    with serve_hub(scenario=str(tmp_path / "own")) as hub:
        responses = [hub.generate({"n": 2}) for _ in range(6)]
        cat = hub.generate({"prompt": "a cat"})
        clock = hub.backend.clock.now()
    assert [response.status_code for response in responses] == [503, 429, 500, 200, 200, 200]
    assert [len(response.json()["images"]) for response in responses[3:]] == [1, 2, 2]
    assert (cat.status_code, clock - 1777536000000) == (402, 15_000)


def test_journal_lists_fired_faults(hub: LiveHub) -> None:
    """An exchange lists the faults that fired, and they are no spec violation."""
    hub.generate({}, headers={"X-Mockhub": "corrupt"})
    hub.get("credits", headers={"X-Mockhub": "delay=1s status=503"})
    *_, post, poll = hub.server.call(lambda: list(hub.backend.journal))
    assert (post.faults, post.spec_violation) == (("corrupt@after",), None)
    assert (poll.faults, poll.status) == (("delay=1000ms@before", "status=503@before"), 503)


def test_for_needs_an_armed_fault(hub: LiveHub) -> None:
    """In a prompt or a header there is no time since which it would count."""
    headers = {"X-Mockhub": "status=503 for=30s"}
    for response in (
        hub.get("credits", headers=headers),
        hub.generate({"prompt": "A cat [[fail for=30s]]"}),
    ):
        assert response.status_code == 400
        assert "for= needs a fault that is armed in advance" in response.json()["error"]["message"]


# -- the journal -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["fail", "deliver=0", "duration=801000ms", "never"])
def test_journal_shows_the_provider_outcome(hub: LiveHub, inject: Inject, fault: str) -> None:
    """The exchange that created the generation shows why it failed, whatever the channel is."""
    assert inject(hub, fault).json()["error"]["code"] == "generationFailed"
    assert last_faults(hub) == (fault,)


def test_journal_shows_outcomes_with_transport_faults(hub: LiveHub) -> None:
    """All faults of an exchange are shown in the order in which they acted, and no other ones."""
    by_header(hub, "delay=1s deliver=1 status=503@after fail p=0")
    assert last_faults(hub) == ("delay=1000ms@before", "deliver=1", "status=503@after")
    hub.get("credits", headers={"X-Mockhub": "fail"})
    assert last_faults(hub) == ()


def test_journal_shows_the_outcome_of_the_script(hub: LiveHub) -> None:
    """A fault that overrides the script is shown in its place."""
    outcomes = [parse_outcome("deliver=0"), parse_outcome("deliver=0")]
    hub.server.call(lambda: setattr(hub.backend, "provider", Provider(outcomes)))
    assert hub.generate({}).status_code == 500
    assert last_faults(hub) == ("deliver=0",)
    by_prompt(hub, "deliver=1")
    assert last_faults(hub) == ("deliver=1",)


def last_faults(hub: LiveHub) -> tuple[str, ...]:
    faults: tuple[str, ...] = hub.server.call(lambda: hub.backend.journal.newest(1)[0].faults)
    return faults
