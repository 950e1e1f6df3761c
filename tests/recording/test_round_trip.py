"""What was recorded is replayed byte for byte, and holds no key."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from mockhub.domain.keys import key_digest
from mockhub.recording import recorder as recorder_module
from mockhub.recording import replay as replay_module
from mockhub.recording.files import BASE_URL, load_recording, write_exchange
from mockhub.recording.recorder import Recorder, RecordingApp
from mockhub.recording.replay import Replay
from tests.recording.conftest import GENERATIONS, Session, with_key
from tests.support.live_server import BODY, KEY, OTHER, PNG, POOR, LiveHub, serve_hub


def replay(live: LiveHub, directory: Path, *, only: bool = True) -> None:
    api = live.app.api
    api.replays["default"] = Replay(api, live.backend, load_recording(directory), only=only)


def send_again(live: LiveHub, request: dict[str, Any], key: str | None) -> httpx.Response:
    options = {name: value for name, value in request.items() if name not in ("key", "headers")}
    headers = with_key(request["headers"], key)
    return live.client.request(headers=headers, **options)


def assert_same(actual: httpx.Response, recorded: httpx.Response, live: LiveHub, url: str) -> None:
    assert actual.status_code == recorded.status_code
    assert actual.content == recorded.content.replace(url.encode(), live.url.encode())
    for name in ("content-type", "etag", "content-range", "www-authenticate", "cache-control"):
        assert actual.headers.get(name) == recorded.headers.get(name)


def test_each_request_gets_its_recorded_response(session: Session, live: LiveHub) -> None:
    replay(live, session.directory)
    assert len(session.received) == 18
    for request, recorded in session.received:
        response = send_again(live, request, request["key"])
        assert_same(response, recorded, live, session.base_url)


def test_header_names_the_file(session: Session, live: LiveHub) -> None:
    replay(live, session.directory)
    response = live.client.get("/api/v1/models")
    assert response.headers["x-mockhub-replay"] == "0001-list-models-200.yaml"


ODD_REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/cr%ffedits?%ff=%C3%A9&é", {}),
    ("/api/v1/credits", {"headers": {"Content-Type": "x;" * 5000}}),
    (GENERATIONS, {"content": b"[" * 600 + b"]" * 600}),
    (GENERATIONS, {"content": b'{"prompt": "\\ud800", "n": 1e999}'}),
    (GENERATIONS, {"content": b"\xff\x00"}),
    (GENERATIONS, {"data": {"prompt": "x"}, "headers": {"Content-Type": "multipart/form-data"}}),
    (GENERATIONS, {"files": [(f"f{n}", (None, b"1")) for n in range(99)]}),
    (GENERATIONS, {"files": [(f"f{n}", (None, b"1")) for n in range(1100)]}),
    (GENERATIONS, {"files": {"prompt": (None, b"\xff\r\n--x")}}),
]


def test_odd_requests_are_recorded_and_recognized(tmp_path: Path, live: LiveHub) -> None:
    """Also those whose body cannot be read as JSON, text or a form."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(next(numbers)).encode()})

    numbers = count()
    bodies = [httpx.Request("POST", "http://x" + url, **options) for url, options in ODD_REQUESTS]
    requests = [(one.url.raw_path, one.read(), one.headers) for one in bodies]
    with serve_hub() as recorded:
        recorder = Recorder(tmp_path, recorded.app.api.spec, recorded.url)
        recorded.app.handler = RecordingApp(app, recorder)
        for path, content, headers in requests:
            assert post_raw(recorded, path, content, headers).status_code == 200
    recorder.close()
    assert len(load_recording(tmp_path)) == len(requests)
    replay(live, tmp_path)
    replayed = [post_raw(live, *request).text for request in requests]
    assert replayed == [str(number) for number in range(len(requests))]


def post_raw(live: LiveHub, path: bytes, content: bytes, headers: httpx.Headers) -> httpx.Response:
    url = httpx.URL(live.url).copy_with(raw_path=path)
    kept = {name: value for name, value in headers.items() if name == "content-type"}
    return live.client.post(url, content=content, headers=kept)


def test_head_has_the_recorded_length(session: Session, live: LiveHub) -> None:
    replay(live, session.directory)
    request, recorded = next(one for one in session.received if one[0]["method"] == "HEAD")
    response = send_again(live, request, None)
    assert response.headers["content-length"] == recorded.headers["content-length"]


def test_client_needs_no_key(session: Session, live: LiveHub) -> None:
    """Where a request was recorded once, with whatever key, a request without a key gets it."""
    replay(live, session.directory)
    for request, recorded in session.received:
        if recorded.request.url.path in (GENERATIONS, "/api/v1/models"):
            response = send_again(live, request, None)
            assert_same(response, recorded, live, session.base_url)


def test_repeated_request_gets_the_responses_in_order_and_then_the_last(
    session: Session, live: LiveHub
) -> None:
    replay(live, session.directory)
    balances = [live.credits("any key") for _ in range(4)]
    assert balances == [120, 112, 112, 112]
    live.server.call(lambda: live.app.api.hub_registry.reset("default"))
    assert live.credits("any key") == 120


def test_balance_of_a_known_key_follows_the_recording(session: Session, live: LiveHub) -> None:
    """A simulated generation is paid from the recorded balance, and the ledger explains both."""
    live.server.call(lambda: live.app.api.hub_registry.reset("default"))
    replay(live, session.directory, only=False)
    assert [live.credits(OTHER) for _ in range(2)] == [120, 112]
    simulated = live.generate({"prompt": "Not recorded"}, OTHER).json()
    assert simulated["balance"]["credits"] == 104
    account = live.backend.accounts["other"]
    totals = live.server.call(lambda: dict(account.totals))
    assert totals == {"grant": 1000, "charge": 104 - 1000, "refund": 0, "expiry": 0}
    live.server.call(lambda: live.app.api.hub_registry.reset("default"))


def test_lower_balance_of_a_known_key_is_raised_to_the_recorded_one(
    session: Session, live: LiveHub
) -> None:
    live.server.call(lambda: live.app.api.hub_registry.reset("default"))
    replay(live, session.directory, only=False)
    assert live.credits(POOR) == 120
    account = live.backend.authenticate(key_digest(POOR.encode()))
    assert account.balance == 120
    live.server.call(lambda: live.app.api.hub_registry.reset("default"))


def test_bodies_of_replayed_requests_are_limited(
    session: Session, live: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "_MAX_BODY_BYTES", 10)
    replay(live, session.directory)
    response = live.client.post(GENERATIONS, content=b"12345678901")
    assert response.status_code == 400
    assert "expected at most 10" in response.json()["error"]["message"]


def test_keys_are_labelled_in_the_order_in_which_they_are_seen(
    session: Session, live: LiveHub
) -> None:
    replay(live, session.directory)
    assert live.credits("first") == 120
    live.credits("second")
    other = next(response for request, response in session.received if request["key"] == OTHER)
    assert live.credits("third") == other.json()["credits"]
    assert live.credits("first") == 112


def test_no_file_holds_a_key_or_a_part_of_one(session: Session) -> None:
    for path in session.directory.rglob("*.*"):
        content = path.read_bytes()
        for key in (KEY, POOR, OTHER):
            parts = [key[start : start + 12].encode() for start in range(len(key) - 11)]
            assert not any(part in content for part in parts), path


def test_keys_are_redacted_wherever_they_are_sent(tmp_path: Path) -> None:
    """Also a key of an unknown format, in the query, the body and a form (AUTH-7)."""
    key = "sk-0123456789abcdefghijklmnop"
    with serve_hub() as live:
        recorder = Recorder(tmp_path, live.app.api.spec, live.url)
        live.app.handler = RecordingApp(live.app.handler, recorder)
        live.get(f"credits?key={key}&part={key[5:20]}", key)
        live.generate({"prompt": f"Draw {key[:20]} and {POOR}"}, key)
        live.generate({"prompt": f"Draw {POOR}"}, KEY)
        files = {"reference_image": ("a.png", PNG)}
        live.generate(key=KEY, data={"model": "gpt-image-2", "prompt": KEY}, files=files)
        live.client.get("/api/v1/credits", headers={"Authorization": f"Basic {key}"})
    recorder.close()
    assert len(load_recording(tmp_path)) == 5
    for path in tmp_path.rglob("*.*"):
        content = path.read_bytes()
        for one in (key, POOR, KEY):
            parts = [one[start : start + 12].encode() for start in range(len(one) - 11)]
            assert not any(part in content for part in parts), path


def test_request_with_a_key_in_its_text_is_recognized(tmp_path: Path, live: LiveHub) -> None:
    with serve_hub() as recorded:
        recorder = Recorder(tmp_path, recorded.app.api.spec, recorded.url)
        recorded.app.handler = RecordingApp(recorded.app.handler, recorder)
        response = recorded.generate({"prompt": f"Draw {POOR}"})
    recorder.close()
    replay(live, tmp_path)
    assert live.generate({"prompt": f"Draw {POOR}"}).json()["id"] == response.json()["id"]


def test_recording_is_small(session: Session) -> None:
    """A POST with three polls takes at most 4 KB, and the image itself."""
    exchanges = load_recording(session.directory)
    text_size = {one.path.name: one.path.stat().st_size for one in exchanges}
    job = next(one for one in exchanges if one.status == 202)
    polls = [one for one in exchanges if job.response_json["id"] in one.target][:3]
    assert len(polls) == 3
    assert sum(text_size[one.path.name] for one in (job, *polls)) < 4096
    images = list((session.directory / "images").iterdir())
    assert len(images) == 1


def test_long_or_binary_body_is_a_file_of_its_own(tmp_path: Path, live: LiveHub) -> None:
    bodies = {"/long": b'"' + b"x" * 20_000 + b'"', "/binary": bytes(range(256)), "/empty": b""}
    bodies["/integer"] = b'{"n":12345678901234567890}'  # longer than YAML files may have
    bodies |= {"/text": "a\u2028\x85\r\n\tb: #\n".encode(), "/number": b'{"n": 1e400, "s": 16:9}'}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(
            {"type": "http.response.body", "body": bodies[scope["path"]][:5], "more_body": True}
        )
        await send({"type": "http.response.body", "body": bodies[scope["path"]][5:]})

    with serve_hub() as recorded:
        recorder = Recorder(tmp_path, recorded.app.api.spec, recorded.url)
        recorded.app.handler = RecordingApp(app, recorder)
        for path in bodies:
            recorded.client.get(path)
    recorder.close()
    assert len(list((tmp_path / "bodies").iterdir())) == 3
    replay(live, tmp_path)
    assert {path: live.client.get(path).content for path in bodies} == bodies


def test_bytes_of_an_image_are_not_changed(tmp_path: Path, live: LiveHub) -> None:
    """Even if they have the text that stands for the address of the server."""
    image = PNG + BASE_URL.encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"image/png"), (b"location", BASE_URL.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": image})

    with serve_hub() as recorded:
        recorder = Recorder(tmp_path, recorded.app.api.spec, recorded.url)
        recorded.app.handler = RecordingApp(app, recorder)
        recorded.client.get("/images/a.png")
    recorder.close()
    replay(live, tmp_path)
    response = live.client.get("/images/a.png")
    assert (response.content, response.headers["location"]) == (image, live.url)


def test_recording_is_continued(tmp_path: Path) -> None:
    for _ in range(2):
        with serve_hub() as live:
            recorder = Recorder(tmp_path, live.app.api.spec, live.url)
            live.app.handler = RecordingApp(live.app.handler, recorder)
            live.get("credits")
        recorder.close()
    first, second = load_recording(tmp_path)
    assert [first.path.name, second.path.name] == [
        "0001-get-credits-200.yaml",
        "0002-get-credits-200.yaml",
    ]
    assert (first.key, second.key) == ("key-1", "key-1")
    assert second.time >= first.time + first.seconds


def test_response_that_was_cut_off_is_not_recorded(tmp_path: Path) -> None:
    with serve_hub() as live:
        recorder = Recorder(tmp_path, live.app.api.spec, live.url)
        live.app.handler = RecordingApp(live.app.handler, recorder)
        for fault in ("reset", "truncate"):
            with pytest.raises(httpx.TransportError):
                live.generate({"prompt": "x"}, headers={"X-Mockhub": fault})
        live.generate({"prompt": "x"})
    recorder.close()
    (only,) = load_recording(tmp_path)
    assert only.content["json"] == {**BODY, "prompt": "x"}


@pytest.mark.parametrize(("bound", "value"), [("MAX_PENDING", 2), ("MAX_PENDING_BYTES", 150)])
def test_requests_wait_for_a_slow_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    """Memory stays bounded: with too many unwritten exchanges, the next request waits."""
    is_fast = Event()

    def write_slowly(path: Path, document: Mapping[str, object]) -> bool:
        is_fast.wait(30)
        return write_exchange(path, document)

    monkeypatch.setattr(recorder_module, bound, value)
    monkeypatch.setattr(recorder_module, "write_exchange", write_slowly)
    with serve_hub() as live:
        recorder = Recorder(tmp_path, live.app.api.spec, live.url)
        live.app.handler = RecordingApp(live.app.handler, recorder)
        for _ in range(3):
            assert live.get("credits").status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            live.get("credits", timeout=httpx.Timeout(30, read=0.3))
        is_fast.set()
        assert live.get("models").status_code == 200
    recorder.close()
    names = [exchange.path.name for exchange in load_recording(tmp_path)]
    assert [name for name in names if name.endswith("-list-models-200.yaml")]


def test_simulated_generation_has_no_recorded_id(tmp_path: Path) -> None:
    """A poll shows the generation of its id, also after a reset, with the same ids in each run."""
    with serve_hub() as live:
        recorder = Recorder(tmp_path, live.app.api.spec, live.url)
        live.app.handler = RecordingApp(live.app.handler, recorder)
        sent = [live.generate({"prompt": name, "async": True}).json() for name in ("a", "b")]
        done = live.generate({"prompt": "c"}).json()
        live.get(f"generations/{sent[0]['id']}")
    recorder.close()
    recorded = {one["id"] for one in (*sent, done)}
    runs = []
    for _ in range(2):
        with serve_hub() as live:
            replay(live, tmp_path, only=False)
            ids = []
            for _ in range(2):
                job = live.generate({"prompt": "A blue boat", "n": 4, "async": True}).json()
                poll = live.get(f"generations/{job['id']}")
                assert "x-mockhub-replay" not in poll.headers
                assert len(poll.json()["images"]) == 4
                ids.append(job["id"])
                live.server.call(lambda: live.app.api.hub_registry.reset("default"))
            assert not recorded & {*ids}
            runs.append(ids)
    assert runs[0] == runs[1]
    assert runs[0][0] == runs[0][1]


def test_large_form_is_matched_and_passed_on(session: Session, live: LiveHub) -> None:
    """A form that is not in the recording reaches the simulation as it was sent."""
    replay(live, session.directory, only=False)
    live.server.call(lambda: live.app.api.hub_registry.reset("default"))
    files = {"reference_image": ("a.png", PNG + bytes(3_000_000))}
    data = {"model": "gpt-image-2", "prompt": "Not recorded"}
    response = live.generate(data=data, files=files)
    assert response.status_code == 200
    assert live.generate({"prompt": "Nor this"}).json()["balance"]["credits"] == 104
