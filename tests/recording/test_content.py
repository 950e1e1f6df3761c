"""What of a request and a response is kept, at the limits."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mockhub._resources import resource_path
from mockhub.recording import recorder as recorder_module
from mockhub.recording import request_content
from mockhub.recording.files import RecordedExchange, load_recording
from mockhub.recording.recorder import Recorder, RecordingApp
from mockhub.web.context import HUB_NAME_SCOPE_KEY
from tests.support.live_server import KEY, read_spec

FORM = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n%b\r\n--b--\r\n'
FORM_TYPE = b"multipart/form-data; boundary=b"


def record(
    directory: Path,
    request: bytes = b"",
    request_type: bytes = b"application/json",
    response: bytes = b"",
    response_type: bytes = b"image/png",
    **scope: Any,
) -> tuple[RecordedExchange, ...]:
    """Record one exchange, if its response is not left out, and read the recording."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert b"accept-encoding" not in dict(scope["headers"])
        headers = [(b"content-type", response_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": response})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request}

    async def send(message: Any) -> None:
        pass

    headers = [(b"content-type", request_type), (b"content-length", b"%d" % len(request))]
    headers += [(b"authorization", f"Bearer {KEY}".encode()), (b"accept-encoding", b"gzip")]
    headers += scope.pop("headers", ())
    scope = {"method": "POST", "path": "/x", "query_string": b"", "headers": headers, **scope}
    recorder = Recorder(directory, read_spec(resource_path("openapi.yaml")), "http://public")
    asyncio.run(RecordingApp(app, recorder)(scope, receive, send))
    recorder.close()
    return load_recording(directory) if list(directory.glob("0*.yaml")) else ()


def test_boundary_is_not_recorded(tmp_path: Path) -> None:
    (exchange,) = record(tmp_path, FORM % b"A fox", FORM_TYPE)
    assert exchange.content == {"form": [{"name": "prompt", "value": "A fox"}]}
    assert exchange.request_headers["content-type"] == "multipart/form-data"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"\0text", b"text/plain"),
        (b"\xff", b"application/json"),
        (FORM.removesuffix(b"--\r\n") % b"A fox", FORM_TYPE),
        (b"no boundary", FORM_TYPE),
    ],
)
def test_binary_and_malformed_bodies_are_kept_by_digest(
    tmp_path: Path, body: bytes, media_type: bytes
) -> None:
    (exchange,) = record(tmp_path, body, media_type)
    assert exchange.content == {"sha256": sha256(body).hexdigest()}


@pytest.mark.parametrize("body", [b'"%b"' % (100 * b"a"), FORM % (100 * b"a")])
def test_long_bodies_are_kept_by_digest(
    tmp_path: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_content, "_MAX_BYTES", 99)
    media_type = FORM_TYPE if body.startswith(b"--") else b"application/json"
    (exchange,) = record(tmp_path, body, media_type)
    assert exchange.content == {"sha256": sha256(body).hexdigest()}


def test_key_in_an_image_is_redacted(tmp_path: Path) -> None:
    """Such as in its metadata; an image without one keeps its bytes, and its address too."""
    (exchange,) = record(tmp_path / "1", response=b"\x89PNG" + KEY.encode())
    assert exchange.body == b"\x89PNG[redacted]"
    (exchange,) = record(tmp_path / "2", response=b"\x89PNG http://public")
    assert exchange.body == b"\x89PNG http://public"


def test_long_responses_are_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder_module, "_MAX_RESPONSE_BYTES", 9)
    assert record(tmp_path / "1", response=b"123456789")
    assert not record(tmp_path / "2", response=b"1234567890")
    assert "0001-get-image-200.yaml: not recorded: over 9 bytes" in caplog.text


def test_preflight_requests_are_not_recorded(tmp_path: Path) -> None:
    headers = [(b"origin", b"http://page"), (b"access-control-request-method", b"POST")]
    assert not record(tmp_path / "1", method="OPTIONS", headers=headers)
    assert record(tmp_path / "2", method="OPTIONS")


def test_urls_of_a_hub_are_recorded_without_its_name(tmp_path: Path) -> None:
    """So that a recording can be replayed in any hub."""
    response = b'["http://public/hubs/mine/x"]'
    scope = {HUB_NAME_SCOPE_KEY: "mine"}
    (exchange,) = record(tmp_path, response=response, response_type=b"application/json", **scope)
    assert exchange.response_json == ["http://mockhub.invalid/x"]
