"""The body of a request on its way to the upstream: passed on, and parsed on the side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256

from mockhub.exceptions import ValidationError
from mockhub.journal.exchange import MAX_STORED_BODY, StoredBody
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.asgi import AsgiBodySource, Message
from mockhub.web.context import RequestContext
from mockhub.web.limits import Limits
from mockhub.web.request_body import ClientDisconnected, ParsedBody, chunks, read_body

HELD_BYTES = 256 * 1024


class RequestBody:
    """The body of one request.

    Args:
        context: The request.
        spec: The API spec.
        limits: The bounds.

    Attributes:
        problem: Why the request does not match the spec; None if it does, or is not known.
        parsed: What was found in the body.
    """

    def __init__(self, context: RequestContext, spec: ApiSpec, limits: Limits) -> None:
        self.parsed = context.body = ParsedBody()
        self.problem: str | None = None
        self._context, self._spec, self._limits = context, spec, limits
        self._digest, self._size, self._start = sha256(), 0, b""
        self._parser: asyncio.Task[None] | None = None
        self._fed: asyncio.Queue[Message] = asyncio.Queue()

    async def parts(self, admit: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, but hold its end back until *admit* has returned.

        The upstream cannot act on a body without its end, so that *admit* knows all fields, and
        may still refuse the request by an exception.

        Raises:
            ClientDisconnected: if the client disconnects before the end.
            ValidationError: if it sends nothing for too long.
        """
        held: deque[bytes] = deque()
        held_size = 0
        async for part in self._read():
            held.append(part)
            held_size += len(part)
            while held_size - len(held[0]) > HELD_BYTES:
                held_size -= len(held[0])
                yield held.popleft()
        await self._finish()
        await admit()
        for part in held:
            yield part

    async def _read(self) -> AsyncIterator[bytes]:
        operation = self._context.operation
        if operation is not None and operation.bodies:
            source, headers = AsgiBodySource(self._fed.get), self._context.headers
            reading = read_body(self.parsed, source, headers, operation, self._limits)
            self._parser = asyncio.create_task(reading)
        try:
            async for part in chunks(self._context.source, self._limits):
                self._size += len(part)
                self._digest.update(part)
                if len(self._start) <= MAX_STORED_BODY:
                    self._start += part
                await self._parse(part)
                if part:
                    yield part
        except BaseException as error:
            self.parsed.incomplete = isinstance(error, ClientDisconnected)
            self.parsed.stored_body = StoredBody(self._size, None)
            if self._parser is not None:
                self._parser.cancel()
            raise

    async def _parse(self, part: bytes, *, is_last: bool = False) -> None:
        """Give the parser a part, and let it run, so that at most one part waits."""
        if self._parser is None or self._parser.done():
            return
        self._fed.put_nowait({"type": "http.request", "body": part, "more_body": not is_last})
        while not (self._fed.empty() or self._parser.done()):
            await asyncio.sleep(0)

    async def _finish(self) -> None:
        try:
            if self._parser is not None:
                await self._parse(b"", is_last=True)
                await self._parser
                body = self.parsed
                self._context.parsed_request = self._spec.build_request(
                    body.values, body.references, body.media_type
                )
        except ValidationError as error:
            self.problem = str(error)
        content = self._start if self._size <= MAX_STORED_BODY else None
        digest = None if content is not None else self._digest.hexdigest()
        self.parsed.stored_body = StoredBody(self._size, content, digest)
