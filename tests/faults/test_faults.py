"""Faults over HTTP: through every door, before and after the world moves, on every operation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.faults.grammar import parse_directives, with_conditions
from tests.support.live_server import BODY, KEY, PNG, POOR, PUBLISHED, RICH, LiveHub, serve_hub

GENERATION = "generations/clx_generation_log_id"


def arm(hub: LiveHub, text: str, **conditions: object) -> None:
    found = [with_conditions(one, **conditions) for one in parse_directives(text)]
    hub.server.call(lambda: hub.backend.faults.arm(found))


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


DOORS = {"prompt": by_prompt, "header": by_header, "python": by_python}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Callable[[LiveHub, str], httpx.Response]:
    """Asks for an image with a fault, through one of the doors that need no file."""
    found: Callable[[LiveHub, str], httpx.Response] = DOORS[request.param]
    return found


Door = Callable[[LiveHub, str], httpx.Response]


@pytest.mark.parametrize("status", [400, 401, 402, 404, 500, 408, 418, 429, 502, 503, 504, 599])
def test_a_status_before_moves_nothing(hub: LiveHub, door: Door, status: int) -> None:
    """status=NNN answers so, and by itself before the world moves."""
    assert status == door(hub, f"status={status}").status_code
    assert hub.credits() == 120


@pytest.mark.parametrize("status", [402, 429, 503])
def test_a_status_after_has_cost(hub: LiveHub, door: Door, status: int) -> None:
    """status=NNN@after answers so though the money has moved and the image is there."""
    made = len(hub.backend.generations)
    assert status == door(hub, f"status={status}@after").status_code
    assert (112, made + 1) == (hub.credits(), len(hub.backend.generations))


def test_gateways_send_pages(hub: LiveHub, door: Door) -> None:
    """502, 503 and 504 come as a gateway's page of HTML, which no JSON parser takes."""
    for status in (502, 503, 504):
        answer = door(hub, f"status={status}")
        assert answer.headers["content-type"] == "text/html"
        assert f"<title>{status} " in answer.text


def test_too_many_requests_tell_when(hub: LiveHub, door: Door) -> None:
    """429 tells in Retry-After when to come again."""
    answer = door(hub, "status=429")
    assert (
        answer.headers["retry-after"],
        answer.json()["error"]["code"],
    ) == ("1", "tooManyRequests")


def test_documented_statuses_have_their_codes(hub: LiveHub, door: Door) -> None:
    """A documented status comes in the documented shape, 401 with its challenge."""
    codes = {400: "invalid_request", 402: "insufficientCredits", 404: "notFound"}
    codes |= {401: "missingApiKey", 500: "generationFailed"}
    for status, code in codes.items():
        answer = door(hub, f"status={status}")
        assert code == answer.json()["error"]["code"]
        assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("text", "left"), [("reset", 120), ("reset@before", 120), ("reset@after", 112)]
)
def test_a_drop_resets_the_connection(hub: LiveHub, door: Door, text: str, left: int) -> None:
    """reset ends the connection by a reset: before the money moves, or after."""
    with pytest.raises(httpx.ReadError, match="reset"):
        door(hub, text)
    assert left == hub.credits()


@pytest.mark.parametrize(("text", "left"), [("hang", 120), ("hang@after", 112)])
def test_a_hang_answers_nothing(hub: LiveHub, door: Door, text: str, left: int) -> None:
    """hang keeps the client waiting until it gives up: before the money moves, or after."""
    hub.client.timeout = httpx.Timeout(30, read=0.1)
    with pytest.raises(httpx.ReadTimeout):
        door(hub, text)
    hub.client.timeout = httpx.Timeout(30)
    assert left == hub.credits()


def test_a_truncated_answer_is_paid(hub: LiveHub, door: Door) -> None:
    """truncate breaks the answer off in its middle; what it was has been done."""
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete|without sending complete"):
        door(hub, "truncate")
    assert hub.credits() == 112


def test_a_garbled_answer_is_no_json(hub: LiveHub, door: Door) -> None:
    """corrupt spoils the JSON but neither status nor length; what it was has been done."""
    answer = door(hub, "corrupt")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert str(len(answer.content)) == answer.headers["content-length"]
    with pytest.raises(ValueError, match="control character"):
        answer.json()
    assert hub.credits() == 112


def test_a_drip_comes_in_drops(hub: LiveHub) -> None:
    """drip sends the whole answer, and many pieces of it."""
    headers = {"Authorization": f"Bearer {KEY}", "X-Mockhub": "drip=100ms"}
    where = "/api/v1/images/generations"
    with hub.client.stream("POST", where, json=BODY, headers=headers) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 5
    assert str(sum(map(len, pieces))) == answer.headers["content-length"]


def test_a_delay_passes_on_the_hubs_clock(hub: LiveHub, door: Door) -> None:
    """delay moves a clock that jumps; the answer is as it would have been."""
    began = hub.backend.clock.now()
    assert door(hub, "delay=30s").status_code == 200
    assert hub.backend.clock.now() - began == 30_000


@pytest.mark.parametrize(
    ("text", "status", "left"),
    [("fail", 500, 120), ("deliver=0", 500, 120), ("duration=801s", 500, 120), ("never", 500, 120)],
)
def test_the_providers_words(hub: LiveHub, door: Door, text: str, status: int, left: int) -> None:
    """What the provider is told happens to the generation, through every door (LED-2)."""
    assert status == door(hub, text).status_code
    assert left == hub.credits()


def test_partial_delivery(hub: LiveHub) -> None:
    """deliver=2 of 4 through prompt, header and Python costs two images (LED-3)."""
    found = [
        hub.generate({"n": 4, "prompt": "[[deliver=2]]"}),
        hub.generate({"n": 4}, headers={"X-Mockhub": "deliver=2"}),
    ]
    arm(hub, "deliver=2")
    found.append(hub.generate({"n": 4}))
    assert [one.json()["usage"]["credits"] for one in found] == [16, 16, 16]
    assert hub.credits() == 120 - 48


# -- counting --------------------------------------------------------------------------------------


def test_two_failures_and_then_it_works(hub: LiveHub, door: Door) -> None:
    """x2 strikes two requests; the third, which is the same, passes."""
    if door is by_python:
        arm(hub, "status=503 x2")
        found = [hub.generate({}).status_code for _ in range(4)]
    else:
        found = [door(hub, "status=503 x2").status_code for _ in range(4)]
    assert found == [503, 503, 200, 200]
    assert hub.credits() == 104


def test_a_row_of_faults_comes_one_by_one(hub: LiveHub, door: Door) -> None:
    """Two 503, one 429, and then peace, whatever door the row comes through."""
    row = "status=503 x2, status=429 x1"
    if door is by_python:
        arm(hub, row)
        found = [hub.generate({}).status_code for _ in range(4)]
    else:
        found = [door(hub, row).status_code for _ in range(4)]
    assert found == [503, 503, 429, 200]


def test_the_second_call_is_struck(hub: LiveHub, door: Door) -> None:
    """nth=2 strikes the second request only."""
    if door is by_python:
        arm(hub, "status=503 nth=2")
        assert [hub.generate({}).status_code for _ in range(3)] == [200, 503, 200]
    else:
        assert [door(hub, "status=503 nth=2").status_code for _ in range(3)] == [200, 503, 200]


def test_each_client_counts_for_itself(hub: LiveHub) -> None:
    """Whose key is another's does not use up what a prompt or a header asks for."""
    first = [
        hub.generate({"prompt": "[[status=503 x1]]"}, key=key).status_code for key in (KEY, RICH)
    ]
    again = [
        hub.generate({"prompt": "[[status=503 x1]]"}, key=key).status_code for key in (KEY, RICH)
    ]
    other = hub.generate({"prompt": "another [[status=503 x1]]"}).status_code
    assert (first, again, other) == ([503, 503], [200, 200], 503)


def test_chance_is_the_hubs(hub: LiveHub) -> None:
    """p=0.5 strikes some requests, the same ones in every world of the same seed."""

    def run(server: LiveHub) -> list[int]:
        with_header = {"X-Mockhub": "status=503 p=0.5"}
        return [server.get("credits", headers=with_header).status_code for _ in range(40)]

    with serve_hub() as twin:
        found = run(hub)
        assert found == run(twin)
    assert {200, 503} == set(found)


def test_a_refused_request_uses_up_no_providers_word(hub: LiveHub) -> None:
    """fail x1 waits for a generation that is paid (LED-5)."""
    arm(hub, "fail x1")
    found = [hub.generate({}, key=POOR), hub.generate({"n": 9}), hub.generate({}), hub.generate({})]
    assert [one.status_code for one in found] == [402, 400, 500, 200]


# -- which requests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "where"),
    [("list_models", "models"), ("get_credits", "credits"), ("get_generation", GENERATION)],
)
def test_reads_are_struck_too(hub: LiveHub, operation: str, where: str) -> None:
    """A header, Prefer or on= strikes an operation that reads, and no other."""
    assert hub.get(where, headers={"X-Mockhub": "status=503"}).status_code == 503
    assert hub.get(where, headers={"Prefer": "code=402"}).status_code == 402
    assert hub.get(where, headers={"X-Mockhub": "reset on=create_generation"}).status_code == 200
    arm(hub, f"status=429 on={operation}")
    found = {one: hub.get(one).status_code for one in ("models", "credits", GENERATION)}
    assert {429} == {found.pop(where)}
    assert {200} == set(found.values())
    assert hub.generate({}).status_code == 200


def test_a_poll_may_be_lost_after_it_counted(hub: LiveHub) -> None:
    """reset@after on a poll: the task has moved on, and the client has not heard of it."""
    queued = hub.generate({"async": True, "prompt": "[[polls=2]]"}).json()["id"]
    arm(hub, "reset@after on=get_generation x1")
    with pytest.raises(httpx.ReadError):
        hub.get(f"generations/{queued}")
    assert hub.get(f"generations/{queued}").json()["status"] == "succeeded"


def test_a_poll_may_be_lost_before_it_counted(hub: LiveHub) -> None:
    """reset on a poll: the task has not moved."""
    queued = hub.generate({"async": True, "prompt": "[[polls=2]]"}).json()["id"]
    for _ in range(3):
        answer = hub.get(f"generations/{queued}", headers={"X-Mockhub": "status=503"})
        assert answer.status_code == 503
    states = [hub.get(f"generations/{queued}").json()["status"] for _ in range(2)]
    assert states == ["processing", "succeeded"]


def test_a_prompt_reaches_the_polls_of_its_task(hub: LiveHub) -> None:
    """[[... on=get_generation]] strikes the polls of what it asked for, and nobody else's."""
    prompt = "[[status=503 x2 on=get_generation]] [[polls=2]]"
    queued = hub.generate({"async": True, "prompt": prompt}).json()["id"]
    found = [hub.get(f"generations/{queued}") for _ in range(4)]
    assert [one.status_code for one in found] == [503, 503, 200, 200]
    assert [one.json()["status"] for one in found[2:]] == ["processing", "succeeded"]
    assert hub.get(GENERATION).status_code == 200
    assert hub.get(f"generations/{queued}", RICH).status_code == 404


def test_a_fault_may_wait_for_a_prompt(hub: LiveHub) -> None:
    """A fault that is armed for a prompt strikes only requests whose prompt has it."""
    arm(hub, "status=503", prompt="cat")
    prompts = ["a dog", "a cat", "concatenate", "Cat"]
    found = [hub.generate({"prompt": prompt}).status_code for prompt in prompts]
    assert found == [200, 503, 503, 200]
    assert hub.get("credits").status_code == 200


def test_what_is_struck_is_not_judged(hub: LiveHub) -> None:
    """A fault before the world moves comes before key and body; one in a prompt after them."""
    headers = {"X-Mockhub": "status=503"}
    assert hub.generate({"n": 9}, key=None, headers=headers).status_code == 503
    assert hub.generate({"n": 9, "prompt": "[[status=503]]"}).status_code == 400
    assert hub.generate({"prompt": "[[status=503]]"}, key=None).status_code == 401
    assert hub.generate({"prompt": "[[status=503@after]]"}, key=POOR).status_code == 503


def test_nothing_comes_after_what_ends_a_request(hub: LiveHub) -> None:
    """Behind a status before the world moves no @after strikes; but an answer may be spoilt."""
    assert by_header(hub, "status=503 reset@after delay=30s@after").status_code == 503
    assert hub.backend.clock.now() == PUBLISHED
    spoilt = by_header(hub, "status=500 corrupt")
    assert spoilt.status_code == 500
    with pytest.raises(ValueError, match="control character"):
        spoilt.json()
    assert hub.credits() == 120


def test_forms_have_prompts_too(hub: LiveHub) -> None:
    """A magic prompt works in a form as it does in JSON."""
    form = {"model": "gpt-image-2", "prompt": "[[status=503]]"}
    answer = hub.generate(data=form, files={"reference_image": ("r.png", PNG)})
    assert answer.status_code == 503


@pytest.mark.parametrize("door", ["X-Mockhub", "Prefer", "prompt"])
def test_a_wrong_directive_is_told(hub: LiveHub, door: str) -> None:
    """A wrong word is 400 and names the door and the closest word; nothing is charged."""
    if door == "prompt":
        answer = hub.generate({"prompt": "[[statsu=503]]"})
    elif door == "Prefer":
        answer = hub.generate({}, headers={door: "code=2000"})
    else:
        answer = hub.generate({}, headers={door: "statsu=503"})
    message = answer.json()["error"]["message"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert message.startswith(f"{door}: ")
    hints = ("did you mean 'status'?", "expected a whole number from 400 to 599")
    assert any(hint in message for hint in hints)
    assert hub.credits() == 120


def test_two_headers_are_read_as_one(hub: LiveHub) -> None:
    """X-Mockhub that is sent twice counts twice, and a mistake in either is told."""
    both = [
        ("Authorization", f"Bearer {KEY}"),
        ("X-Mockhub", "delay=5s"),
        ("X-Mockhub", "status=503"),
    ]
    began = hub.backend.clock.now()
    assert hub.client.get("/api/v1/credits", headers=both).status_code == 503
    assert hub.backend.clock.now() - began == 5000
    wrong = [*both, ("X-Mockhub", "statsu=503")]
    assert hub.client.get("/api/v1/credits", headers=wrong).status_code == 400


def test_a_scenario_is_a_door(tmp_path: Path) -> None:
    """Faults and the provider's script of a scenario hold from the start, in their order."""
    world = resource_path("fixtures/scenarios/default.yaml").read_text("utf-8")
    told = """
provider: [fail, deliver=1, "duration=5s"]
faults:
  - status=503 x1
  - status=429 x1
  - {fault: "status=402@after", prompt: cat}
"""
    (tmp_path / "own.yaml").write_text(world + told, "utf-8")
    with serve_hub(scenario=str(tmp_path / "own")) as hub:
        found = [hub.generate({"n": 2}) for _ in range(6)]
        cat = hub.generate({"prompt": "a cat"})
        clock = hub.backend.clock.now()
    assert [one.status_code for one in found] == [503, 429, 500, 200, 200, 200]
    assert [len(one.json()["images"]) for one in found[3:]] == [1, 2, 2]
    assert (cat.status_code, clock - 1777536000000) == (402, 15_000)


def test_the_journal_tells_what_struck(hub: LiveHub) -> None:
    """An exchange that a fault struck is marked with it, and is no violation of the law."""
    hub.generate({}, headers={"X-Mockhub": "corrupt"})
    hub.get("credits", headers={"X-Mockhub": "delay=1s status=503"})
    *_, made, read = hub.server.call(lambda: list(hub.backend.journal))
    assert (made.faults, made.spec_violation) == (("corrupt@after",), None)
    assert (read.faults, read.status) == (("delay=1000ms@before", "status=503@before"), 503)
