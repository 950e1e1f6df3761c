"""A client of the soak: does everything that the API offers, and gives up now and then."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.requests import BODY, KEY, form
from mockhub.domain.ids import Ids

_PATIENCE = 1.0
_LENGTH = re.compile(rb"(?i)content-length: ([0-9]+)")
_AUTH = f"Authorization: Bearer {KEY}\r\n"
_PROMPTS = ("A lighthouse", "[[fail]] x", "[[deliver=2]] x", "[[duration=20ms]] x", "[[polls=2]] x")
_BAD = (
    b"{",
    b"[]",
    b'{"model": "gpt-image-2"}',
    b'{"model": "none", "prompt": "x", "size": "1024x1024"}',
    b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1023"}',
    b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024", "n": 99}',
)
_PENDING = ("queued", "processing")


class Reply(NamedTuple):
    """An answer: 0 stands for one that did not come whole."""

    status: int
    body: bytes = b""

    def json(self) -> Any:
        """What it says, or None where a fault left no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Client:
    """One connection's worth of requests to a hub, drawn by a seed."""

    def __init__(self, url: str, hub: str, seed: int) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._prefix = f"/hubs/{hub}"
        self._chance = Ids(seed).random
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._image = "/images/none/1.png"
        self._acts: tuple[Callable[[], Awaitable[object]], ...] = (
            self._models,
            self._credits,
            self._generate,
            self._generate,
            self._follow,
            self._upload,
            self._picture,
            self._mistake,
            self._stranger,
            self._leave,
        )

    async def run(self, until: float) -> None:
        """Ask on until a moment of the stopwatch."""
        while perf_counter() < until:
            act = self._acts[int(self._chance() * len(self._acts))]
            await act()
        self._hang_up()

    # -- what a client does ----------------------------------------------------------------------

    async def _models(self) -> None:
        await self._ask("GET", "/api/v1/models")

    async def _credits(self) -> None:
        await self._ask("GET", "/api/v1/credits", _AUTH)

    async def _generate(self, **more: object) -> Reply:
        prompt = _PROMPTS[int(self._chance() * len(_PROMPTS))]
        fields = {**BODY, "prompt": prompt, "n": 1 + int(self._chance() * 4), **more}
        fields["size"] = "256x256"
        reply = await self._post(json.dumps(fields).encode())
        if reply.status == 200 and (made := reply.json()) and made.get("images"):
            self._image = "/images/" + made["images"][0]["url"].partition("/images/")[2]
        return reply

    async def _follow(self) -> None:
        made = (await self._generate(**{"async": True})).json() or {}
        for _ in range(8):
            if made.get("status") not in _PENDING:
                return
            reply = await self._ask("GET", f"/api/v1/generations/{made['id']}", _AUTH)
            made = {**made, **(reply.json() or {})}
            await asyncio.sleep(0.01)

    async def _upload(self) -> None:
        call = form(20_000)
        kind = f"Content-Type: {call.headers['Content-Type']}\r\n"
        await self._ask("POST", "/api/v1/images/generations", _AUTH + kind, call.body)

    async def _picture(self) -> None:
        await self._ask("GET", self._image)

    async def _mistake(self) -> None:
        await self._post(_BAD[int(self._chance() * len(_BAD))])

    async def _stranger(self) -> None:
        await self._ask("GET", "/api/v1/credits", "Authorization: Bearer nobody\r\n")

    async def _leave(self) -> None:
        """Hang up in the midst of a request, or of an answer."""
        reader, writer = await self._connected()
        body = json.dumps(BODY).encode()
        raw = self._head("POST", "/api/v1/images/generations", _AUTH, len(body)) + body
        writer.write(raw[: int(self._chance() * len(raw) * 1.5)])
        self._hang_up()

    # -- how ----

    async def _post(self, body: bytes) -> Reply:
        kind = "Content-Type: application/json\r\n"
        return await self._ask("POST", "/api/v1/images/generations", _AUTH + kind, body)

    async def _ask(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Reply:
        try:
            return await asyncio.wait_for(self._answer(method, path, headers, body), _PATIENCE)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            self._hang_up()
            return Reply(0)

    async def _answer(self, method: str, path: str, headers: str, body: bytes) -> Reply:
        reader, writer = await self._connected()
        writer.write(self._head(method, path, headers, len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:  # no answer of ours is without; only a fault's may break off
            self._hang_up()
            return Reply(0)
        return Reply(int(head[9:12]), await reader.readexactly(int(length[1])))

    def _head(self, method: str, path: str, headers: str, length: int) -> bytes:
        size = f"Content-Length: {length}\r\n" if length else ""
        return f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: x\r\n{headers}{size}\r\n".encode()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._line is None or self._line[1].is_closing() or self._line[0].at_eof():
            self._line = await asyncio.open_connection(self._host, self._port)
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line[1].close()
            self._line = None
