"""Requests match by method, path, query and body; polls advance on the hub's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockhub.domain.clock import ClockMode, ManualClock, SystemClock
from mockhub.domain.hub import HubBackend
from mockhub.recording.files import RecordedExchange
from mockhub.recording.matching import Matcher, request_fields
from mockhub.recording.replay import Replay
from mockhub.recording.request_content import RequestContentReader
from tests.recording.conftest import Session
from tests.recording.test_round_trip import replay
from tests.support.live_server import PUBLISHED, LiveHub, serve_hub


def exchange(target: str, content: dict[str, Any] | None = None, **values: Any) -> RecordedExchange:
    defaults: dict[str, Any] = {
        "path": Path(f"{values.get('body', target)}.yaml"),
        "time": 0.0,
        "seconds": 0.0,
        "method": "GET",
        "key": None,
        "request_headers": {},
        "status": 200,
        "headers": {},
        "body": b"",
    }
    return RecordedExchange(target=target, content=content or {}, **{**defaults, **values})


def fields(method: str, path: str, query: str = "", **content: Any) -> dict[str, object]:
    return request_fields(method, path, query, {}, content)


json_values = st.sampled_from([None, True, 1, "1", "", "é", [1, {"a": 2}], {"b": [], "a": {}}])
names = st.sampled_from(["model", "n", "a b", ""])
pairs = st.lists(st.tuples(names, st.sampled_from(["", "1", "x y", "&="])), max_size=4)


@settings(max_examples=25, deadline=None)
@given(pairs, st.dictionaries(names, json_values), st.randoms())
def test_order_of_query_and_json_does_not_matter(
    query: list[tuple[str, str]], body: dict[str, Any], random: Any
) -> None:
    """The same request in another order matches, and one with another value does not."""
    target = f"/x?{httpx.QueryParams(query)}"
    recorded = exchange(target, {"json": body}, method="POST")
    by_name: dict[str, list[tuple[str, str]]] = {}
    for pair in query:
        by_name.setdefault(pair[0], []).append(pair)
    shuffled = [*by_name]
    random.shuffle(shuffled)
    other_query = str(httpx.QueryParams([pair for name in shuffled for pair in by_name[name]]))
    items = [*body.items()]
    random.shuffle(items)
    other_body = orjson.loads(orjson.dumps(dict(items)))
    matcher = Matcher([recorded])
    assert matcher.find(fields("POST", "/x", other_query, json=other_body)) == [recorded]
    assert not matcher.find(fields("POST", "/x", other_query, json={**other_body, "more": 1}))
    assert not matcher.find(fields("POST", "/x", f"{other_query}&more=1", json=other_body))
    assert not matcher.find(fields("PUT", "/x", other_query, json=other_body))
    for name in body:
        changed = {**other_body, name: "another value"}
        assert not matcher.find(fields("POST", "/x", other_query, json=changed))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["prompt", "n"]), st.text(max_size=8)), max_size=3),
    st.lists(st.binary(max_size=40), max_size=3),
    st.sampled_from([1, 2, 7, 50]),
)
def test_form_is_read_in_any_chunks(
    texts: list[tuple[str, str]], files: list[bytes], size: int
) -> None:
    """The content of a form does not depend on its boundary or on how it arrives."""
    parts: list[Any] = [(name, (None, value.encode())) for name, value in texts]
    parts += [("reference_image", ("a.png", content, "image/png")) for content in files]
    if not parts:
        return
    contents = []
    for chunk in (size, 10_000):
        request = httpx.Request("POST", "http://x", files=parts)
        raw = request.read()
        headers = {name.lower(): value for name, value in request.headers.raw}
        reader = RequestContentReader(headers)
        for start in range(0, len(raw), chunk):
            reader.feed(raw[start : start + chunk])
        reader.complete = True
        contents.append(reader.content(lambda raw: raw))
    assert contents[0] == contents[1]
    assert len(contents[0]["form"]) == len(parts)


def test_file_with_other_content_does_not_match() -> None:
    part = {"name": "reference_image", "media_type": "image/png", "size": 3, "sha256": "a" * 64}
    recorded = exchange("/x", {"form": [part]}, method="POST")
    matcher = Matcher([recorded])
    assert matcher.find(fields("POST", "/x", form=[{**part, "media_type": "image/webp"}]))
    assert not matcher.find(fields("POST", "/x", form=[{**part, "sha256": "b" * 64}]))


def test_body_that_was_not_read_matches_by_its_size() -> None:
    recorded = exchange("/x", {"unread": 7}, method="POST")
    matcher = Matcher([recorded])
    assert matcher.find(fields("POST", "/x", json={"a": 1}), 7)
    assert not matcher.find(fields("POST", "/x", json={"a": 12}), 8)
    unknown_size = exchange("/x", {"unread": 0}, method="POST")
    assert Matcher([unknown_size]).find(fields("POST", "/x", json={"a": 12}), 8)


def test_head_and_ranges_are_answered_from_the_whole() -> None:
    recorded = exchange("/x")
    matcher = Matcher([recorded])
    assert matcher.find(fields("HEAD", "/x")) == [recorded]
    assert matcher.find(request_fields("GET", "/x", "", {"range": "bytes=0-1"}, {})) == [recorded]


JOB = exchange(
    "/api/v1/images/generations", method="POST", time=2.0, seconds=1.0, body=b'{"id":"g"}'
)
POLLS = [
    exchange("/api/v1/generations/g", time=seconds, body=name)
    for seconds, name in ((3.0, b"queued"), (5.0, b"processing"), (9.0, b"succeeded"))
]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("hold", ["queued", "queued", "processing", "processing", "succeeded", "succeeded"]),
        ("autojump", ["queued", "processing", "succeeded", "succeeded", "succeeded", "succeeded"]),
    ],
)
def test_polls_advance_on_the_clock(mode: ClockMode, expected: list[str]) -> None:
    """In the mode autojump a poll moves the clock to the time of the next recorded one."""
    clock = ManualClock(PUBLISHED, mode=mode)
    with serve_hub(clock=clock) as live:
        api = live.app.api
        api.replays["default"] = Replay(api, live.backend, [JOB, *POLLS])
        live.client.post("/api/v1/images/generations")
        states = []
        for milliseconds in (0, 1900, 100, 3900, 100, 10_000):
            live.server.call(lambda step=milliseconds: clock.advance(step))  # type: ignore[misc]
            states.append(live.client.get("/api/v1/generations/g").text)
        assert states == expected


@pytest.mark.parametrize(("elapsed", "expected"), [(900, b"queued"), (1100, b"processing")])
def test_poll_gets_the_nearest_state_on_the_system_clock(
    live: LiveHub, elapsed: int, expected: bytes
) -> None:
    """The states were recorded 0, 2 and 6 seconds after the response to the POST."""
    hub = HubBackend("system", live.app.api.spec, clock=SystemClock())
    replay = Replay(live.app.api, hub, POLLS)
    replay.select_poll("g", POLLS, 1_000_000)
    assert replay.select_poll("g", POLLS, 1_000_000 + elapsed).body == expected


def test_poll_without_its_post_begins_with_the_first() -> None:
    clock = ManualClock(PUBLISHED, mode="hold")
    with serve_hub(clock=clock) as live:
        api = live.app.api
        api.replays["default"] = Replay(api, live.backend, POLLS)
        assert live.client.get("/api/v1/generations/g").text == "queued"
        live.server.call(lambda: clock.advance(2000))
        assert live.client.get("/api/v1/generations/g").text == "processing"


def test_near_miss_shows_the_value_of_a_field_of_a_form() -> None:
    """JSON with the same value is no difference of the field."""
    form = [{"name": "model", "value": "m"}, {"name": "prompt", "value": "a"}]
    matcher = Matcher([exchange("/x?page=1", {"form": form}, method="POST")])
    other = [form[0], {"name": "prompt", "value": "b"}]
    (near_miss,) = matcher.near_misses(fields("POST", "/x", "page=2", form=other))
    assert near_miss.endswith(".yaml: query page was '2', not '1'; body.prompt was 'b', not 'a'")
    json_fields = fields("POST", "/x", "page=1", json={"model": "m", "prompt": "a"})
    (near_miss,) = matcher.near_misses(json_fields)
    assert near_miss.endswith(".yaml: body was 'json', not 'form'")


def test_unrecorded_request_gets_404_with_the_nearest(session: Session, live: LiveHub) -> None:
    replay(live, session.directory)
    response = live.generate({"prompt": "A lighthouse at dawn"})
    error = response.json()["error"]
    first, nearest, *others = error["message"].split("\n")
    assert (response.status_code, error["code"]) == (404, "notRecorded")
    assert first == "This request is not in the recording: POST /api/v1/images/generations"
    assert nearest == (
        "  near miss: 0003-create-generation-200.yaml: body.prompt was 'A lighthouse at dawn', "
        "not 'A lighthouse at dusk'"
    )
    assert len(others) == 2
    assert "body.n was missing, not 4" in error["message"]


def test_faults_act_on_recorded_responses(session: Session, live: LiveHub) -> None:
    replay(live, session.directory)
    response = live.get("credits", headers={"X-Mockhub": "status=503"})
    assert response.status_code == 503
    with pytest.raises(httpx.TransportError):
        live.get("credits", headers={"X-Mockhub": "truncate"})
    live.generate({}, headers={"X-Mockhub": "delay=1s"})
    exchange = [*live.server.call(lambda: [*live.backend.journal])][-1]
    assert exchange.faults == ("delay=1000ms@before",)
    assert exchange.operation == "create_generation"
    assert exchange.request.content is not None
