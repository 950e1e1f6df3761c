"""`mockhub proxy --record`: what the service responds is recorded, not what the proxy says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from mockhub.cli.run_server import record
from mockhub.domain.hub import HubBackend
from mockhub.proxy.api import ProxyApi
from mockhub.proxy.guard import Guard
from mockhub.proxy.target import Target
from mockhub.proxy.upstream import UpstreamClient, UpstreamTimeouts
from mockhub.recording.files import load_recording
from mockhub.server.server import ServerThread, bind
from mockhub.web.app import App
from tests.recording.test_round_trip import replay
from tests.support.live_server import BODY, KEY, PNG, LiveHub, auth_headers, serve_hub


@contextmanager
def recording_proxy(upstream: LiveHub, directory: Path) -> Iterator[httpx.Client]:
    listener, spec = bind("127.0.0.1", 0), upstream.app.api.spec
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    timeouts = UpstreamTimeouts(connect=5, response=20, safe=20, idle=20)
    client = UpstreamClient(Target(upstream.url, spec.base_path), timeouts=timeouts)
    guard = Guard(spec, upstream.url)
    app = App(ProxyApi(spec, HubBackend("default", spec), url, client, guard=guard))
    recorder = record(app, directory)
    server = ServerThread(app, listener)
    with httpx.Client(
        base_url=f"{url}/api/v1/", headers=auth_headers(KEY, {}), verify=False
    ) as client_of_proxy:
        yield client_of_proxy
    server.stop()
    recorder.close()


def test_recording_of_the_proxy_is_replayed(tmp_path: Path, live: LiveHub) -> None:
    """Bodies, forms and poll_url are as the client saw them; errors of the proxy are left out."""
    form = {"model": "gpt-image-2", "prompt": "A bear"}
    service = ExitStack()
    upstream = service.enter_context(serve_hub())
    with service, recording_proxy(upstream, tmp_path) as client:
        bodies = [
            client.get("credits").content,
            client.post("images/generations", json={**BODY, "async": True}).content,
            client.post(
                "images/generations", data=form, files={"reference_image": ("a.png", PNG)}
            ).content,
        ]
        service.close()
        assert client.get("models").status_code == 502
        proxy_url = str(client.base_url).removesuffix("/api/v1/")
    assert [one.path.name for one in load_recording(tmp_path)] == [
        "0001-get-credits-200.yaml",
        "0002-create-generation-202.yaml",
        "0003-create-generation-200.yaml",
    ]
    assert f'"poll_url":"{proxy_url}/'.encode() in bodies[1]
    replay(live, tmp_path)
    post = live.generate
    replayed = [live.get("credits", None), post({"async": True}, None)]
    replayed.append(post(key=None, data=form, files={"reference_image": ("a.png", PNG)}))
    expected = [body.replace(proxy_url.encode(), live.url.encode()) for body in bodies]
    assert [one.content for one in replayed] == expected
