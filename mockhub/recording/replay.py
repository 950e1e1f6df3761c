"""Send recorded responses: in the order of the recording, and polls by the hub's clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple
from urllib.parse import quote

from mockhub._timestamps import SECOND
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.ledger import Entry
from mockhub.exceptions import ApiError, MockhubError, ValidationError
from mockhub.journal.exchange import MAX_STORED_BODY, StoredBody
from mockhub.recording.compare import balance_in
from mockhub.recording.files import BASE_URL, RecordedExchange
from mockhub.recording.matching import MATCHED_HEADERS, Fields, Matcher, request_fields
from mockhub.recording.recorder import KeyLabels, redact
from mockhub.recording.request_content import RequestContentReader
from mockhub.spec.operations import OperationId
from mockhub.web import cors, responses
from mockhub.web.api import PublicApi
from mockhub.web.asgi import AsgiBodySource, BodySource, Message
from mockhub.web.context import RequestContext, error_code_and_status
from mockhub.web.fault_injection import apply_before, match_request_faults
from mockhub.web.limits import Limits
from mockhub.web.request_body import ParsedBody, chunks
from mockhub.web.responses import Response

_SPOOL_BYTES = 1024 * 1024  # of a body that are kept in memory
_MAX_BODY_BYTES = 1024 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_NOT_FOUND = 404
_BODILESS_STATUSES = (204, 304)


class Replay:
    """Responds to the requests of a hub as in a recording.

    Args:
        exchanges: The recording.
        only: Whether any other request is refused, instead of answered by the simulation.
    """

    def __init__(
        self,
        api: PublicApi,
        hub: HubBackend,
        exchanges: Sequence[RecordedExchange],
        *,
        only: bool = False,
    ) -> None:
        self._api, self._hub, self._only = api, hub, only
        self._matcher = Matcher(exchanges)
        self._state = _State(hub.epoch)
        hub.reserved_ids = _recorded_ids(exchanges)

    async def __call__(self, context: RequestContext) -> Response | None:
        """Return the recorded response, or None if the simulation has to respond.

        Raises:
            ApiError, ValidationError, ConnectionAborted, ClientDisconnected, WaitCancelled: as
                `PublicApi.handle` handles them.
        """
        if cors.is_preflight(context.method, context.headers):
            return None
        if self._state.epoch != self._hub.epoch:
            self._state = _State(self._hub.epoch)
        body = await _read_body(context, self._api.limits)
        fields = self._fields(context, body)
        matching = self._matcher.find(fields, body.size)
        if not matching and not self._only:
            context.source = body.source(context.source)
            return None
        with body.file:
            context.body = ParsedBody(stored_body=body.stored_body())
        with suppress(ApiError):
            self._api.route(context)
        operation_id = context.operation.id if context.operation else OperationId.GET_IMAGE
        faults = match_request_faults(context, operation_id)
        if faults and (fault := await apply_before(context, faults, self._api.clock_waiter)):
            return fault
        if not matching:
            return self._not_recorded(context, fields)
        exchange = self._select(context, matching)
        response = _to_response(exchange, self._api.links(self._hub.name).base_url)
        context.code, context.state = error_code_and_status(exchange.response_json)
        return response

    def _fields(self, context: RequestContext, body: _Body) -> Fields:
        base_url = self._api.links(self._hub.name).base_url.encode()
        token = context.authorization.partition(b" ")[2] if context.authorization else None

        def clean(raw: bytes) -> bytes:
            raw = raw.replace(base_url, BASE_URL.encode())
            return redact(raw, token, self._hub.redactor)

        headers = {
            name: clean(value).decode("latin-1")
            for name in MATCHED_HEADERS
            if (value := context.headers.get(name.encode())) is not None
        }
        return request_fields(
            context.method,
            clean(context.path.encode("utf-8", "surrogateescape")).decode("utf-8", "replace"),
            clean(context.scope["query_string"]).decode("latin-1"),
            headers,
            body.reader.content(clean),
        )

    def _not_recorded(self, context: RequestContext, fields: Fields) -> Response:
        message = f"This request is not in the recording: {fields['method']} {fields['path']}"
        text = "\n".join([message, *self._matcher.near_misses(fields)])
        context.code = "notRecorded"
        return responses.error_response(ApiError(_NOT_FOUND, context.code, text))

    def _select(
        self, context: RequestContext, matching: Sequence[RecordedExchange]
    ) -> RecordedExchange:
        """Choose among the exchanges of the same request: by the key, then by time or in order."""
        state, label = self._state, self._state.labels.of(context.credentials)
        chosen = [one for one in matching if one.key == label] or matching
        operation, now = context.operation, self._hub.clock.now()
        if operation and operation.id == OperationId.GET_GENERATION:
            exchange = self.select_poll(context.path_param or "", chosen, now)
        else:
            exchange = chosen[min(state.counts[chosen[0].path], len(chosen) - 1)]
        state.counts[chosen[0].path] += 1
        content = exchange.response_json
        if operation and isinstance(content, dict):
            if operation.id == OperationId.CREATE_GENERATION:
                state.offsets[str(content.get("id"))] = now - _ended_at(exchange)
            self._follow_balance(context, content)
        return exchange

    def _follow_balance(self, context: RequestContext, content: dict[str, Any]) -> None:
        """Let the account of a key of the hub have the recorded balance."""
        _, credits = balance_in(content)
        if credits is None:
            return
        with suppress(ApiError, MockhubError):  # the hub does not know the key, or cannot follow
            account = context.account = self._hub.authenticate(context.credentials)
            now, difference = self._hub.settle(), credits - account.balance
            if difference > 0:
                self._hub.grant(account, difference)
            for lot, amount in account.allocate(max(0, -difference)):
                account.apply(Entry(now, "charge", -amount, lot, content.get("id")))
            self._hub.evict_entries(account)

    def select_poll(self, id: str, polls: Sequence[RecordedExchange], now: int) -> RecordedExchange:
        """Return the last poll that was recorded by now, counted from the POST.

        On the system's clock it is the nearest one, so that a client at the recorded pace gets
        the recorded states. A clock in the mode `autojump` is set to the time of the next one.
        """
        state, clock = self._state, self._hub.clock
        times = [_ended_at(poll) for poll in polls]
        offset = state.offsets.setdefault(id, now - times[0])
        is_manual = isinstance(clock, ManualClock)
        begins = [time if is_manual else (before + time) / 2 for before, time in pairwise(times)]
        position = sum(begin <= now - offset for begin in begins)
        if isinstance(clock, ManualClock) and clock.mode == "autojump":
            count = state.counts[polls[0].path]
            position = max(position, min(count, len(polls) - 1))
            clock.set(max(now, offset + times[position]))
        return polls[position]


class _State:
    """What was replayed since the last reset of the hub.

    Attributes:
        counts: How often a request was replayed, by the file of its first exchange.
        offsets: By the id of a generation, the hub's time minus the time of the recording.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.counts: Counter[Path] = Counter()
        self.offsets: dict[str, int] = {}
        self.labels = KeyLabels()


def _recorded_ids(exchanges: Sequence[RecordedExchange]) -> frozenset[str]:
    """Return each id in a response, and each part of a path, which may be one."""
    ids = {str(one.response_object.get("id")) for one in exchanges}
    return frozenset(ids.union(*(one.target.partition("?")[0].split("/") for one in exchanges)))


def _ended_at(exchange: RecordedExchange) -> int:
    return round((exchange.time + exchange.seconds) * SECOND)


def _to_response(exchange: RecordedExchange, base_url: str) -> Response:
    """Return the recorded response, with the address of this server in its URLs."""
    body, headers = exchange.body, dict(exchange.headers)
    if not headers.get("content-type", "").startswith("image/"):
        body = body.replace(BASE_URL.encode(), base_url.encode())
    if exchange.method != "HEAD" and exchange.status not in _BODILESS_STATUSES:
        headers["content-length"] = str(len(body))
    headers["x-mockhub-replay"] = quote(exchange.path.name)
    pairs = [(name, value.replace(BASE_URL, base_url)) for name, value in headers.items()]
    return Response(
        exchange.status,
        body,
        tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs),
    )


# -- request bodies ------------------------------------------------------------------------------


class _Body(NamedTuple):
    """A request body that was read to its end."""

    reader: RequestContentReader
    file: SpooledTemporaryFile[bytes]
    size: int

    def stored_body(self) -> StoredBody:
        """Return it as the journal keeps it."""
        if self.size > MAX_STORED_BODY:
            return StoredBody(self.size, None, self.reader.digest)
        return StoredBody(self.size, self.file.read())

    def source(self, source: BodySource) -> BodySource:
        """Return a source from which the simulation can read it again."""
        if self.size:
            return _ReadBodySource(source, self.file)
        self.file.close()
        return source


async def _read_body(context: RequestContext, limits: Limits) -> _Body:
    reader = RequestContentReader(context.headers)
    with ExitStack() as errors:
        file = errors.enter_context(SpooledTemporaryFile(_SPOOL_BYTES))
        if not reader.complete:
            async for chunk in chunks(context.source, limits):
                reader.feed(chunk)
                file.write(chunk)
                if file.tell() > _MAX_BODY_BYTES:
                    message = f"The body is too long; expected at most {_MAX_BODY_BYTES}"
                    raise ValidationError(message)
            reader.complete = True
        errors.pop_all()  # the file is closed here only after an error
    size = file.tell()
    file.seek(0)
    return _Body(reader, file, size)


class _ReadBodySource(AsgiBodySource):
    """A body that is read again, from a file."""

    def __init__(self, source: BodySource, file: SpooledTemporaryFile[bytes]) -> None:
        super().__init__(source.receive)
        self._file = file
        self.watch, self.unwatch = source.watch, source.unwatch  # type: ignore[method-assign]

    async def receive(self) -> Message:
        chunk = self._file.read(_CHUNK_BYTES)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    def __del__(self) -> None:
        self._file.close()
