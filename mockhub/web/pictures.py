"""Image addresses: drawn when fetched, cached, conditional and in ranges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING

from mockhub.spec.errors import ApiError, MockhubError
from mockhub.web import cors, wire
from mockhub.web.asgi import Receive, Scope, Send, headers_of
from mockhub.web.transport import send_answer
from mockhub.web.visit import HUB_NAME
from mockhub.world.hub import Hub
from mockhub.world.store import Store

if TYPE_CHECKING:
    from mockhub.world.images import Cache, Picture

PREFIX = "/images/"

_PATH = re.compile(r"/images/([^/]+)/([1-9][0-9]?)\.(png|jpg|webp)")
_RANGE = re.compile(rb"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
_DIGITS = 18  # of a number in a range; more are no picture's either
_FORMATS = {extension: name for name, extension in wire.EXTENSIONS.items()}
_METHODS = ("GET", "HEAD", "OPTIONS")


class Pictures:
    """Serves the images of every hub; a plain ASGI callable. No key is asked for (GEN-10).

    Attributes:
        observe: told of every request when it is over, its status and milliseconds.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: Cache | None = None
        self.observe: Callable[[Scope, int, float], None] = lambda scope, status, took: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, headers = perf_counter(), headers_of(scope)
        try:
            answer = await self._answer(scope, headers)
        except ApiError as error:
            answer = wire.refusal(error)
        except Exception as error:
            fault = wire.our_fault(f"{scope['path']}: {type(error).__name__}: {error}")
            answer = wire.refusal(fault)
        if b"origin" in headers:
            answer = cors.with_origin(answer)
        await send_answer(answer, scope, send)
        self.observe(scope, answer.status, (perf_counter() - began) * 1000)

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes]) -> wire.Answer:
        picture, hub = self._find(scope)
        method = scope["method"]
        if method == "OPTIONS":
            return cors.options(_METHODS, headers.get(b"access-control-request-headers"))
        if method not in _METHODS:
            unknown, allowed = hub.law.unknown_method, ", ".join(_METHODS)
            message = f"{method} is not offered for images; expected {allowed}"
            raise ApiError(unknown.status, unknown.code, message, headers={"Allow": allowed})
        if method == "HEAD":  # ranges are for GET alone (RFC 9110, 14.2)
            headers = {**headers, b"range": b""}
        return await self._conditional(picture, headers)

    def _find(self, scope: Scope) -> tuple[Picture, Hub]:
        from mockhub.world.images import picture_of

        try:
            name = scope.get(HUB_NAME)
            hub = self._store.default if name is None else self._store.named(name)
        except MockhubError as error:
            raise self._store.default.law.errors.refusal("notFound", str(error)) from None
        hub.settle()
        match = _PATH.fullmatch(scope["path"])
        generation = hub.generations.get(match[1]) if match else None
        if match is None or generation is None or int(match[2]) > generation.delivered:
            message = f"There is no image at {scope['path'][:200]!r}"
            raise hub.law.errors.refusal("notFound", message)
        index, form = int(match[2]) - 1, _FORMATS[match[3]]
        return picture_of(generation, index, seed=hub.ids.seed, format=form), hub

    async def _conditional(self, picture: Picture, headers: Mapping[bytes, bytes]) -> wire.Answer:
        """200, or 304 where the client has it already, or 206 where it wants a part."""
        from mockhub.world.images import digest

        tag = f'"{digest(picture)}"'.encode()
        common = (
            (b"content-type", f"image/{picture.format}".encode()),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"etag", tag),
            (b"accept-ranges", b"bytes"),
        )
        if _known(headers.get(b"if-none-match"), tag):
            return wire.Answer(304, b"", common)
        data = await self._drawn(picture)
        part = headers.get(b"range")
        if not part or headers.get(b"if-range", tag) != tag:
            return wire.Answer(200, data, (*common, _length(data)))
        return _part(data, part, common)

    async def _drawn(self, picture: Picture) -> bytes:
        """From the cache, or drawn in a thread: a large one keeps nobody waiting."""
        from mockhub.world.images import Cache

        if self._cache is None:
            self._cache = Cache()
        if (data := self._cache.peek(picture)) is not None:
            return data
        return await asyncio.get_running_loop().run_in_executor(None, self._cache.get, picture)


def _known(header: bytes | None, tag: bytes) -> bool:
    if header is None:
        return False
    return any(one.strip().removeprefix(b"W/") in (tag, b"*") for one in header.split(b","))


def _length(data: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(data))


def _part(data: bytes, header: bytes, common: wire.Headers) -> wire.Answer:
    """One range of bytes (RFC 9110, 14.1.2); several, or what is no range, get the whole."""
    match = _RANGE.fullmatch(header.strip())
    start, end = (number[:_DIGITS] for number in match.groups()) if match else (b"", b"")
    if not (start or end) or (start and end and int(end) < int(start)):
        return wire.Answer(200, data, (*common, _length(data)))
    if start:
        first, last = int(start), min(int(end or len(data)), len(data) - 1)
    else:
        first, last = max(0, len(data) - int(end)), len(data) - 1
    if first > last:
        whole = (b"content-range", b"bytes */%d" % len(data))
        return wire.Answer(416, b"", (*common, whole, (b"content-length", b"0")))
    piece = data[first : last + 1]
    where = (b"content-range", b"bytes %d-%d/%d" % (first, last, len(data)))
    return wire.Answer(206, piece, (*common, where, _length(piece)))
