"""Serves hubs over HTTP from a thread of the test process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from mockhub._resources import resource_path
from mockhub._timestamps import parse_timestamp
from mockhub.control.app import mount_control_plane
from mockhub.domain.clock import Clock, ClockMode, ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.server.server import ServerThread, bind
from mockhub.spec.api_spec import load_spec
from mockhub.web.app import App, create_app
from mockhub.web.limits import Limits

KEY = "gih_live_" + 32 * "x"
RICH = "gih_live_" + 8 * "rich"
OTHER = "gih_live_" + (7 * "other")[:32]
LOW = "gih_live_" + (11 * "low")[:32]
POOR = "gih_live_" + 8 * "poor"
EXPIRED = "gih_live_" + (5 * "expired")[:32]
REVOKED = "gih_live_" + (5 * "revoked")[:32]

IMAGE_PATH = "/images/clx_generation_log_id/ece0071344fddbf0/1.png"  # of the published one
PUBLISHED = parse_timestamp("2026-04-30T08:00:00Z")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
WEBP = b"RIFF\x64\x00\x00\x00WEBPVP8 " + bytes(100)

_hub_numbers = count()
read_spec = lru_cache(maxsize=4)(load_spec)

BODY = {"model": "gpt-image-2", "prompt": "A lighthouse at dusk", "size": "1024x1024"}


@dataclass
class LiveHub:
    """A hub on a running server.

    Attributes:
        url: The address of the hub.
        backend: Its state; while requests are served, access it by `server.call` only.
        client: A client with the address as its base URL.
    """

    url: str
    app: App
    backend: HubBackend
    server: ServerThread
    client: httpx.Client

    @contextmanager
    def new_hub(
        self, *, clock: Clock | None = None, mode: ClockMode = "autojump"
    ) -> Iterator[LiveHub]:
        """Serve another hub with the default scenario on the same server, under /hubs/NAME."""
        name = f"test-{next(_hub_numbers)}"
        scenario = load_scenario(resource_path("fixtures/scenarios/default.yaml"))
        clock = clock or ManualClock(PUBLISHED, mode=mode)
        hub = build_hub(scenario, name, self.backend.spec, clock=clock)
        registry, url = self.app.api.hub_registry, f"{self.url}/hubs/{name}"
        self.server.call(lambda: registry.add(hub))
        with httpx.Client(base_url=url, timeout=30, verify=False) as client:
            yield LiveHub(url, self.app, hub, self.server, client)
        assert self.server.call(hub.audit) == []
        if name in registry:
            self.server.call(lambda: registry.delete(name))

    def get(self, path: str, key: str | None = KEY, **options: Any) -> httpx.Response:
        return self.client.get(f"/api/v1/{path}", headers=auth_headers(key, options), **options)

    def generate(self, json: Any = None, key: str | None = KEY, **options: Any) -> httpx.Response:
        """POST a generation; an object *json* overrides fields of an ordinary request."""
        if isinstance(json, dict):
            options["json"] = {**BODY, **json}
        return self.client.post(
            "/api/v1/images/generations", headers=auth_headers(key, options), **options
        )

    def credits(self, key: str = KEY) -> int:
        balance: int = self.get("credits", key).json()["credits"]
        return balance


def auth_headers(key: str | None, options: dict[str, Any]) -> dict[str, str]:
    authorization = {} if key is None else {"Authorization": f"Bearer {key}"}
    return {**authorization, **options.pop("headers", {})}


@contextmanager
def serve_hub(
    *,
    spec: Path | None = None,
    scenario: str = "default",
    clock: Clock | None = None,
    limits: Limits | None = None,
    control: bool = False,
    token: str | None = None,
    port: int = 0,
) -> Iterator[LiveHub]:
    """Serve a scenario, by default on an autojump clock that starts at the published time."""
    api_spec = read_spec(spec or resource_path("openapi.yaml"))
    file = resource_path("fixtures/scenarios") / f"{scenario}.yaml"
    hub = build_hub(load_scenario(file), "default", api_spec, clock=clock or ManualClock(PUBLISHED))
    listener = bind("127.0.0.1", port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(api_spec, hub, url=url, limits=limits)
    if control or token:
        mount_control_plane(app, token=token)
    server = ServerThread(app, listener)
    try:
        with httpx.Client(base_url=url, timeout=30, verify=False) as client:
            yield LiveHub(url, app, hub, server, client)
        assert server.call(hub.audit) == []
    finally:
        server.stop()
