"""Call ASGI applications without a server, on an event loop of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mockhub.control.app import mount_control_plane
from mockhub.storage.store import Store, open_store
from mockhub.web.app import App, create_app
from mockhub.web.transactions import StoredApp

URL = "http://mockhub.test"


@dataclass
class Reply:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: App,
    method: str,
    path: str,
    content: Any = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request with a JSON body, and return the whole response."""
    body = b"" if content is None else json.dumps(content).encode()
    path, _, query = path.partition("?")
    fields = [(b"host", b"mockhub.test")]
    if content is not None:
        fields += [(b"content-type", b"application/json")]
        fields += [(b"content-length", str(len(body)).encode())]
    if key is not None:
        fields.append((b"authorization", f"Bearer {key}".encode()))
    fields += [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()]
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": fields,
    }
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    reply = Reply(0, [], b"")

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status, reply.headers = message["status"], [*message["headers"]]
        else:
            reply.body += message.get("body", b"")

    await app(scope, receive, send)
    return reply


def memory_app(spec: Any, hub: Any) -> App:
    app = create_app(spec, hub, url=URL)
    mount_control_plane(app, token=None, host="mockhub.test")
    return app


def stored_app(url: str, spec: Any, build_default_hub: Any) -> tuple[App, Store]:
    """Return an application on a database; its store has to be started and closed."""
    store = open_store(url, spec, build_default_hub)
    app = StoredApp(create_app(spec, store.session.registry, url=URL).api, store)
    mount_control_plane(app, token=None, host="mockhub.test")
    return app, store
