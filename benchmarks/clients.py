"""Client of the soak test: sends random valid and invalid requests, and disconnects at times."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.requests import BODY, KEY, form
from mockhub.domain.ids import Ids

_TIMEOUT = 1.0
_LENGTH = re.compile(rb"(?i)content-length: ([0-9]+)")
_AUTH = f"Authorization: Bearer {KEY}\r\n"
_PROMPTS = ("A lighthouse", "[[fail]] x", "[[deliver=2]] x", "[[duration=20ms]] x", "[[polls=2]] x")
_INVALID_BODIES = (
    b"{",
    b"[]",
    b'{"model": "gpt-image-2"}',
    b'{"model": "none", "prompt": "x", "size": "1024x1024"}',
    b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1023"}',
    b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024", "n": 99}',
)
_PENDING = ("queued", "processing")


class Response(NamedTuple):
    """A response; status 0 means an incomplete one."""

    status: int
    body: bytes = b""

    def json(self) -> Any:
        """Return the parsed body, or None if a fault made it invalid."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Client:
    """Sends seeded random requests to a hub over one connection."""

    def __init__(self, url: str, hub: str, seed: int) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._prefix = f"/hubs/{hub}"
        self._random = Ids(seed).random
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._image = "/images/none/0000000000000000/1.png"
        self._actions: tuple[Callable[[], Awaitable[object]], ...] = (
            self._get_models,
            self._get_credits,
            self._generate,
            self._generate,
            self._generate_and_poll,
            self._upload_form,
            self._get_image,
            self._invalid_request,
            self._unknown_key,
            self._disconnect_early,
        )

    async def run(self, until: float) -> None:
        """Send requests until `perf_counter()` reaches *until*."""
        while perf_counter() < until:
            action = self._actions[int(self._random() * len(self._actions))]
            await action()
        self._close()

    # -- actions ---------------------------------------------------------------------------------

    async def _get_models(self) -> None:
        await self._send("GET", "/api/v1/models")

    async def _get_credits(self) -> None:
        await self._send("GET", "/api/v1/credits", _AUTH)

    async def _generate(self, **more: object) -> Response:
        prompt = _PROMPTS[int(self._random() * len(_PROMPTS))]
        fields = {**BODY, "prompt": prompt, "n": 1 + int(self._random() * 4), **more}
        fields["size"] = "256x256"
        reply = await self._post(json.dumps(fields).encode())
        if reply.status == 200 and (created := reply.json()) and created.get("images"):
            self._image = "/images/" + created["images"][0]["url"].partition("/images/")[2]
        return reply

    async def _generate_and_poll(self) -> None:
        created = (await self._generate(**{"async": True})).json() or {}
        for _ in range(8):
            if created.get("status") not in _PENDING:
                return
            reply = await self._send("GET", f"/api/v1/generations/{created['id']}", _AUTH)
            created = {**created, **(reply.json() or {})}
            await asyncio.sleep(0.01)

    async def _upload_form(self) -> None:
        call = form(20_000)
        kind = f"Content-Type: {call.headers['Content-Type']}\r\n"
        await self._send("POST", "/api/v1/images/generations", _AUTH + kind, call.body)

    async def _get_image(self) -> None:
        await self._send("GET", self._image)

    async def _invalid_request(self) -> None:
        await self._post(_INVALID_BODIES[int(self._random() * len(_INVALID_BODIES))])

    async def _unknown_key(self) -> None:
        await self._send("GET", "/api/v1/credits", "Authorization: Bearer unknown\r\n")

    async def _disconnect_early(self) -> None:
        """Close the connection in the middle of a request or of a response."""
        reader, writer = await self._connect()
        body = json.dumps(BODY).encode()
        raw = self._head("POST", "/api/v1/images/generations", _AUTH, len(body)) + body
        writer.write(raw[: int(self._random() * len(raw) * 1.5)])
        self._close()

    # -- transport -------------------------------------------------------------------------------

    async def _post(self, body: bytes) -> Response:
        kind = "Content-Type: application/json\r\n"
        return await self._send("POST", "/api/v1/images/generations", _AUTH + kind, body)

    async def _send(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Response:
        try:
            return await asyncio.wait_for(self._exchange(method, path, headers, body), _TIMEOUT)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            self._close()
            return Response(0)

    async def _exchange(self, method: str, path: str, headers: str, body: bytes) -> Response:
        reader, writer = await self._connect()
        writer.write(self._head(method, path, headers, len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:  # only a response that a fault truncated has none
            self._close()
            return Response(0)
        return Response(int(head[9:12]), await reader.readexactly(int(length[1])))

    def _head(self, method: str, path: str, headers: str, length: int) -> bytes:
        size = f"Content-Length: {length}\r\n" if length else ""
        return f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: x\r\n{headers}{size}\r\n".encode()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if (
            self._connection is None
            or self._connection[1].is_closing()
            or self._connection[0].at_eof()
        ):
            self._connection = await asyncio.open_connection(self._host, self._port)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None
