"""Record the exchanges of an ASGI application in a directory, without API keys."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import quote

from mockhub._files import lock_file
from mockhub._redaction import Redactor, redact_parts
from mockhub.domain.keys import Credentials, NoApiKey, key_digest
from mockhub.exceptions import MockhubError
from mockhub.recording.files import (
    BASE_URL,
    INDEX,
    prepare_directory,
    write_by_digest,
    write_exchange,
)
from mockhub.recording.request_content import RequestContentReader, text_content
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.asgi import (
    CYCLE_SCOPE_KEY,
    AsgiApp,
    AsgiBodySource,
    Message,
    Receive,
    RequestCycle,
    Scope,
    Send,
    headers_of,
)
from mockhub.web.context import (
    HUB_NAME_SCOPE_KEY,
    HUBS_PREFIX,
    parse_bearer_token,
    parse_credentials,
)
from mockhub.web.cors import is_preflight
from mockhub.web.responses import Headers, Response

KEPT_REQUEST_HEADERS = (b"content-type", b"range", b"if-none-match", b"x-mockhub", b"prefer")
MALFORMED_KEY = "malformed"  # the label of an Authorization header without a Bearer token

# Of exchanges that are not written yet, before the next request waits.
MAX_PENDING, MAX_PENDING_BYTES = 100, 64 * 1024 * 1024

_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_PARTIAL_CONTENT = 206
_MAX_INLINE_BYTES = 16 * 1024
_SAFE_PATH = "/:@!$&'()*+,;=~"
_DROPPED_HEADERS = re.compile(  # of one connection, of one moment, or added by each server
    rb"connection|keep-alive|transfer-encoding|content-length|date|server|set-cookie|via"
    rb"|x-mockhub-.*|access-control-.*"
)

_MADE_BY_PROXY = b"x-mockhub-proxy"  # a header of its own errors and refusals

_log = logging.getLogger("mockhub.recording")


@dataclass
class _Exchange:
    """What was seen of one exchange, to be written by the recorder's thread."""

    number: int
    method: str
    target: str
    key: str | None
    token: bytes | None
    base_url: str
    request_headers: Mapping[bytes, bytes]
    request: RequestContentReader
    started: float
    seconds: float = 0.0
    status: int = 0
    headers: Headers = ()
    body: bytearray | None = None
    complete: bool = False

    def tap_receive(self, receive: Receive) -> Receive:
        async def receive_and_keep() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                self.request.feed(message.get("body", b""))
                self.request.complete |= not message.get("more_body", False)
            return message

        return receive_and_keep

    def tap_send(self, send: Send) -> Send:
        async def keep_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status, self.body = message["status"], bytearray()
                self.headers = tuple(message.get("headers", ()))
            elif self.body is not None and self.method != "HEAD":
                self.body += message.get("body", b"")
                if len(self.body) > _MAX_RESPONSE_BYTES:
                    self.body = None
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self.complete, self.seconds = True, perf_counter() - self.started
            await send(message)

        return keep_and_send


class KeyLabels(dict[bytes, str]):
    """The labels of API keys by digest: the first key that is seen is ``key-1``."""

    def of(self, credentials: Credentials) -> str | None:
        if isinstance(credentials, NoApiKey):
            return MALFORMED_KEY if credentials is NoApiKey.MALFORMED else None
        return self.setdefault(credentials, f"key-{len(self) + 1}")


class Recorder:
    """Writes exchanges to a directory, in a thread of its own.

    Args:
        directory: An empty directory, a new one, or a recording, which is continued.
        public_url: The URL that URLs in responses begin with.

    Raises:
        MockhubError: if the directory cannot be used.
    """

    def __init__(self, directory: Path, spec: ApiSpec, public_url: str) -> None:
        self.directory, self.public_url = directory, public_url
        self._spec = spec
        self._last_number, elapsed = prepare_directory(directory)
        self._lock = (directory / INDEX).open("rb")
        if not lock_file(self._lock):
            self._lock.close()
            message = "another server records into it; give each server a directory of its own"
            raise MockhubError(f"{directory}: {message}")
        self._began = perf_counter() - elapsed
        self._labels = KeyLabels()  # in memory only
        self._pending: deque[tuple[Future[None], int]] = deque()  # with the size of the body
        self._thread = ThreadPoolExecutor(1, "mockhub-recorder")
        key_format = spec.key_format
        self._redactor = Redactor(key_format.prefix, key_format.length, is_known=self._has_key)

    def begin(self, scope: Scope) -> _Exchange:
        """Return a request with its number, of which nothing more is known yet."""
        self._last_number += 1
        headers = headers_of(scope)
        authorization = headers.get(b"authorization")
        token = parse_bearer_token(authorization or b"")
        hub_name = scope.get(HUB_NAME_SCOPE_KEY)
        query = scope["query_string"].decode("latin-1")
        path = quote(scope["path"], safe=_SAFE_PATH, errors="surrogateescape")
        return _Exchange(
            self._last_number,
            scope["method"],
            f"{path}?{query}" if query else path,
            self._labels.of(parse_credentials(authorization)),
            token or authorization,
            self.public_url + (f"{HUBS_PREFIX}{hub_name}" if hub_name else ""),
            headers,
            RequestContentReader(headers),
            perf_counter(),
        )

    def finish(self, exchange: _Exchange) -> None:
        """Write an exchange, if its response was complete and not made by the proxy itself."""
        if exchange.complete and not any(name == _MADE_BY_PROXY for name, _ in exchange.headers):
            while self._pending and self._pending[0][0].done():
                self._pending.popleft()
            written = self._thread.submit(self._write, exchange)
            self._pending.append((written, len(exchange.body or b"")))

    async def wait_for_disk(self) -> None:
        """Wait while many exchanges are not written yet, so that memory stays bounded."""
        while (
            len(self._pending) > MAX_PENDING
            or sum(size for _, size in self._pending) > MAX_PENDING_BYTES
        ):
            await asyncio.wrap_future(self._pending.popleft()[0])

    def close(self) -> None:
        """Wait until all exchanges are written."""
        self._thread.shutdown()
        self._lock.close()

    def _has_key(self, raw: str) -> bool:
        return key_digest(raw.encode()) in self._labels

    def _write(self, exchange: _Exchange) -> None:
        name = f"{exchange.number:04d}-{self._operation(exchange)}-{exchange.status}.yaml"
        try:
            if exchange.body is None:
                _log.error("%s: not recorded: over %d bytes", name, _MAX_RESPONSE_BYTES)
                return
            for is_inline in (True, False):
                document = self._document(exchange, bytes(exchange.body), is_inline=is_inline)
                if write_exchange(self.directory / name, document):
                    return
            _log.error("%s: not recorded: it cannot be written as YAML", name)
        except Exception as error:
            _log.error("%s: not recorded: %s", name, error)

    def _operation(self, exchange: _Exchange) -> str:
        methods, _ = self._spec.router.match(exchange.target.partition("?")[0]) or ({}, None)
        method = "GET" if exchange.method == "HEAD" else exchange.method
        if method in methods:
            return methods[method].id.replace("_", "-")
        is_image = dict(exchange.headers).get(b"content-type", b"").startswith(b"image/")
        return "get-image" if is_image else exchange.method.lower()

    def _document(self, exchange: _Exchange, body: bytes, *, is_inline: bool) -> dict[str, Any]:
        def clean(raw: bytes) -> bytes:
            raw = raw.replace(exchange.base_url.encode(), BASE_URL.encode())
            return redact(raw, exchange.token, self._redactor)

        def clean_headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
            return {
                clean(name.lower()).decode("latin-1"): clean(value).decode("latin-1")
                for name, value in headers.items()
            }

        kept = {
            name: value
            for name, value in exchange.request_headers.items()
            if name in KEPT_REQUEST_HEADERS
        }
        if kept.get(b"content-type", b"").startswith(b"multipart/"):
            kept[b"content-type"] = kept[b"content-type"].partition(b";")[0]  # no boundary
        request = {
            "method": clean(exchange.method.encode()).decode("latin-1"),
            "target": clean(exchange.target.encode("latin-1")).decode("latin-1"),
            **({"key": exchange.key} if exchange.key else {}),
            **({"headers": clean_headers(kept)} if kept else {}),
            **exchange.request.content(clean),
        }
        response = {
            "status": exchange.status,
            "headers": clean_headers(_lasting_headers(exchange)),
            **(self._body(exchange, body, clean, is_inline=is_inline) if body else {}),
        }
        return {
            "time": round(exchange.started - self._began, 6),
            "seconds": round(exchange.seconds, 6),
            "request": request,
            "response": response,
        }

    def _body(
        self,
        exchange: _Exchange,
        body: bytes,
        clean: Callable[[bytes], bytes],
        *,
        is_inline: bool,
    ) -> dict[str, Any]:
        content_type = dict(exchange.headers).get(b"content-type", b"").decode("latin-1")
        is_whole = exchange.status != _PARTIAL_CONTENT
        media_type = content_type.partition(";")[0].strip().lower() if is_whole else ""
        if media_type.startswith("image/"):
            if self._spec.key_format.prefix.encode() in body:
                body = redact(body, exchange.token, self._redactor)
        else:
            body = clean(body)
            is_inline = is_inline and len(body) <= _MAX_INLINE_BYTES
            if is_inline and (content := text_content(body, exact=True)):
                return content
        return {"file": write_by_digest(self.directory, body, media_type)}


def redact(raw: bytes, token: bytes | None, redactor: Redactor) -> bytes:
    """Replace API keys, and the parts of this one, whatever its format is."""
    raw = redactor.redact_bytes(raw)
    return redact_parts(raw, token) if token else raw


def _lasting_headers(exchange: _Exchange) -> dict[bytes, bytes]:
    headers = {name.lower(): value for name, value in exchange.headers}
    return {
        name: value
        for name, value in headers.items()
        if not _DROPPED_HEADERS.fullmatch(name)
        or (name == b"content-length" and exchange.method == "HEAD")
    }


@dataclass(eq=False)
class RecordingApp:
    """Passes requests to an ASGI application, and what was seen of them to a recorder."""

    app: AsgiApp
    recorder: Recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        scope = {**scope, "headers": headers}  # so that bodies arrive in readable form
        if is_preflight(scope["method"], headers_of(scope)):
            await self.app(scope, receive, send)
            return
        await self.recorder.wait_for_disk()
        exchange = self.recorder.begin(scope)
        receive = exchange.tap_receive(receive)
        if cycle := scope.get(CYCLE_SCOPE_KEY):
            scope[CYCLE_SCOPE_KEY] = _TappedCycle(cycle, receive)
        try:
            await self.app(scope, receive, exchange.tap_send(send))
        finally:
            self.recorder.finish(exchange)


class _TappedCycle(AsgiBodySource):
    """The cycle of mockhub's server, without its ways around `receive` and `send`."""

    def __init__(self, cycle: RequestCycle, receive: Receive) -> None:
        super().__init__(receive)
        self.watch, self.unwatch = cycle.watch, cycle.unwatch  # type: ignore[method-assign]
        self.abort = cycle.abort

    def send_response(self, response: Response) -> bool:
        return False
