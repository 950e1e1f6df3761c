"""Run the proxy in a thread of the test process, in front of any server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import httpx

from mockhub._resources import resource_path
from mockhub.control.app import mount_control_plane
from mockhub.journal.exchange import Exchange
from mockhub.proxy.api import ProxyApi
from mockhub.proxy.guard import Guard
from mockhub.proxy.mirror import ProxyHub
from mockhub.proxy.target import Target
from mockhub.proxy.upstream import UpstreamClient, UpstreamTimeouts
from mockhub.server.server import ServerThread, bind
from mockhub.web.app import App
from tests.support.live_server import BODY, KEY, auth_headers, read_spec

TIMEOUTS = UpstreamTimeouts(connect=30, response=30, safe=30, idle=30)


@dataclass
class LiveProxy:
    """A running proxy.

    Attributes:
        url: Its address.
        client: A client with the address as its base URL.
    """

    url: str
    api: ProxyApi
    server: ServerThread
    client: httpx.Client

    def get(self, path: str, key: str | None = KEY, **options: Any) -> httpx.Response:
        return self.client.get(f"/api/v1/{path}", headers=auth_headers(key, options), **options)

    def generate(self, json: Any = None, key: str | None = KEY, **options: Any) -> httpx.Response:
        """POST a generation; an object *json* overrides fields of an ordinary request."""
        if isinstance(json, dict):
            options["json"] = {**BODY, **json}
        return self.client.post(
            "/api/v1/images/generations", headers=auth_headers(key, options), **options
        )

    def exchanges(self) -> list[Exchange]:
        """Return the exchanges of the journal, when all are recorded."""
        return self.server.call(lambda: list(self.api.hub.journal))


@contextmanager
def start_proxy(
    target: str,
    *,
    ca_file: Path | None = None,
    timeouts: UpstreamTimeouts = TIMEOUTS,
    control: bool = False,
    **options: Any,
) -> Iterator[LiveProxy]:
    spec = read_spec(resource_path("openapi.yaml"))
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    upstream = UpstreamClient(Target(target, spec.base_path), ca_file=ca_file, timeouts=timeouts)
    options.setdefault("guard", Guard(spec, target, repeats="allow"))
    api = ProxyApi(spec, ProxyHub("default", spec), url, upstream, **options)
    app = App(api)
    if control:
        mount_control_plane(app, token=None)
    server = ServerThread(app, listener)
    try:
        with httpx.Client(base_url=url, timeout=30, verify=False) as client:
            yield LiveProxy(url, api, server, client)
    finally:
        server.stop()
        api.guard.close()


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve each connection with *serve*, one after another, and yield the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(20)
                    serve(connection)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def wait_until(is_true: Callable[[], object]) -> None:
    for _ in range(3000):
        if is_true():
            return
        sleep(0.01)
    raise AssertionError("waited for 30 s")


def read_head(connection: socket.socket) -> bytes:
    """Read the head of a request, and what arrives with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise OSError("closed")
        data += part
    return data


def reply_with(*parts: bytes) -> Callable[[socket.socket], None]:
    """Return a server that reads a head, sends *parts* and closes the connection."""

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        for part in parts:
            connection.sendall(part)

    return serve
