"""Send recorded requests to the mock, in process, and report where the responses differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from mockhub._timestamps import SECOND
from mockhub.domain.accounts import Account
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.provider import SUCCESS, Outcome, Provider
from mockhub.journal.exchange import header_texts
from mockhub.recording.compare import (
    Difference,
    balance_in,
    compare_json,
    image_paths,
    response_clauses,
)
from mockhub.recording.files import BASE_URL, RecordedExchange
from mockhub.recording.overlaps import find_overlaps
from mockhub.recording.recorder import MALFORMED_KEY
from mockhub.recording.request_bodies import encode_content
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import JSON, Operation, OperationId
from mockhub.verify.image_size import image_size
from mockhub.web.api import PublicApi
from mockhub.web.asgi import AsgiBodySource, receive_from
from mockhub.web.context import RequestContext, body_error_code_and_status, error_code_and_status
from mockhub.web.responses import Response

_START = 1_777_536_000_000  # 2026-04-30T08:00:00Z
_COMPARED_HEADERS = ("Location", "Retry-After", "WWW-Authenticate", "Allow")
_CREDITS = 1_000_000_000
_FINAL = ("succeeded", "failed")
_GENERATION_NOT_COMPARED = "the request that created the generation was not compared"


class SkippedExchange(NamedTuple):
    """An exchange that cannot be compared, and why."""

    exchange: RecordedExchange
    reason: str


@dataclass
class DriftReport:
    """Where the mock and a recorded service differ."""

    compared: int = 0
    differences: list[tuple[RecordedExchange, Difference]] = field(default_factory=list)
    skipped: list[SkippedExchange] = field(default_factory=list)


async def find_drift(exchanges: Sequence[RecordedExchange], spec: ApiSpec) -> DriftReport:
    """Compare each exchange of a recording with the mock."""
    simulation, report = _Simulation(exchanges, spec), DriftReport()
    for previous, exchange in zip((None, *exchanges), exchanges, strict=False):
        if previous and (gap := _gap(previous, exchange)):
            report.skipped.append(SkippedExchange(exchange, gap))
            simulation.forget_balances()
        if reason := simulation.reason_to_skip(exchange):
            report.skipped.append(SkippedExchange(exchange, reason))
            simulation.forget_balances()
            continue
        response = await simulation.send(exchange)
        differences = simulation.compare(exchange, response)
        report.compared += 1
        report.differences += [(exchange, difference) for difference in differences]
    return report


def _gap(previous: RecordedExchange, exchange: RecordedExchange) -> str:
    """Say that exchanges between these two are missing, which may have changed balances."""
    missing = range(previous.number + 1, exchange.number)
    if not (previous.number and missing):
        return ""
    names = " to ".join(f"{number:04d}" for number in dict.fromkeys((missing[0], missing[-1])))
    return f"its balance, because {names} is not in the recording and may have been charged"


class _Simulation:
    """A hub that is brought into the state in which the service was, request by request."""

    def __init__(self, exchanges: Sequence[RecordedExchange], spec: ApiSpec) -> None:
        self._spec = spec
        self._exchanges = exchanges
        self._overlaps = find_overlaps(exchanges)
        self._clock = ManualClock(_START, mode="hold")
        self._hub = HubBackend("default", spec, clock=self._clock)
        self._api = PublicApi(spec, HubRegistry(self._hub), BASE_URL)
        self._accounts: dict[str, Account] = {}  # by the label of a key
        self._balances: dict[str, int] = {}  # that the service had last, by the label of a key
        self._offsets: dict[str, int] = {}  # of the mock's balance from the service's
        self._names: dict[str, str] = {}  # what the mock has instead of ids and image URLs
        self._image_paths = {
            path for one in exchanges for path in image_paths(one.response_json) if path
        }
        self._any_size: set[str] = set()  # ids and image URLs of requests for the size `auto`

    # -- what can be compared --------------------------------------------------------------------

    def reason_to_skip(self, exchange: RecordedExchange) -> str | None:
        """Say why the mock cannot be asked the same, or return None."""
        path, operation = _path(exchange), self._operation_id(exchange)
        if "unread" in exchange.content and exchange.key:
            return "the service did not read the body, so it was not recorded"
        if "sha256" in exchange.content:
            return "the body is binary or malformed, and was not recorded"
        fields = _request_fields(exchange)
        if {"x-mockhub", "prefer"} & exchange.request_headers.keys() or "[[" in fields["prompt"]:
            return "the request asks for a fault"
        is_read = operation == OperationId.GET_GENERATION and exchange.status == HTTPStatus.OK
        if is_read and path.rpartition("/")[2] not in self._names:
            return _GENERATION_NOT_COMPARED
        if not path.startswith(self._spec.base_path):
            if path in self._image_paths - self._names.keys():
                return _GENERATION_NOT_COMPARED
            if path not in self._names:
                return "it is neither an operation of the API nor an image of one"
            is_part = "range" in exchange.request_headers or exchange.method == "HEAD"
            if is_part or exchange.status == HTTPStatus.NOT_MODIFIED:
                return "it is not a whole image"
        return None

    def _operation(self, exchange: RecordedExchange) -> Operation | None:
        methods, _ = self._spec.router.match(_path(exchange)) or ({}, None)
        return methods.get("GET" if exchange.method == "HEAD" else exchange.method)

    def _operation_id(self, exchange: RecordedExchange) -> str | None:
        return getattr(self._operation(exchange), "id", None)

    def forget_balances(self) -> None:
        """Let balances begin as the service's again, since the mock lacks a charge or a refund."""
        self._offsets.clear()
        self._balances.clear()

    # -- requests --------------------------------------------------------------------------------

    async def send(self, exchange: RecordedExchange) -> Response:
        """Send the recorded request to the mock, at its time and with its outcome."""
        self._clock.set(max(_START + _ms(exchange.time), self._clock.now()))
        self._hub.provider = Provider([self._outcome(exchange)])
        content_type, body = encode_content(exchange.content, exchange.request_headers)
        headers = [(b"content-type", content_type.encode())] if body else []
        headers.append((b"content-length", b"%d" % len(body)))
        if exchange.key:
            headers.append((b"authorization", self._authorization(exchange, exchange.key)))
        path, _, query = exchange.target.partition("?")
        for name in (path, path.rpartition("/")[2]):
            path = path.replace(name, self._names.get(name, name))
        scope = {
            "method": exchange.method,
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
        message = {"type": "http.request", "body": body, "more_body": False}
        source = AsgiBodySource(receive_from([message]))
        return await self._api.handle(RequestContext(scope, source))

    def _outcome(self, exchange: RecordedExchange) -> Outcome:
        """Return what became of the generation that the request created."""
        content = exchange.response_object
        if self._operation_id(exchange) != OperationId.CREATE_GENERATION:
            return SUCCESS
        if error_code_and_status(content)[0] == "generationFailed":
            return Outcome(fail=True)
        if exchange.status == HTTPStatus.ACCEPTED and content:
            return self._async_outcome(exchange, content.get("id"))
        images = content.get("images")
        return Outcome(deliver=len(images)) if isinstance(images, list) else SUCCESS

    def _async_outcome(self, exchange: RecordedExchange, id: Any) -> Outcome:
        for poll in self._exchanges:
            content = poll.response_object
            if content.get("id") == id and content.get("status") in _FINAL:
                images, duration = content.get("images"), _ms(poll.time) - _ms(exchange.time)
                return Outcome(
                    deliver=len(images) if isinstance(images, list) else None,
                    duration=max(duration, 1),
                    fail=content["status"] == "failed",
                )
        return Outcome(never=True)

    def _authorization(self, exchange: RecordedExchange, label: str) -> bytes:
        """Return a key that is in the state in which the recorded one was."""
        code = error_code_and_status(exchange.response_json)[0]
        if label == MALFORMED_KEY:
            return b"Basic malformed"
        if code == "invalidApiKey":
            return b"Bearer unknown"
        account = self._account(label)
        if code == "insufficientCredits":
            seen = [balance_in(one.response_json)[1] for one in self._meanwhile(exchange, account)]
            seen.append(self._balances.get(label, 0))
            credits = min(credits for credits in seen if credits is not None)
            account = self._hub.create_account(f"{exchange.path.stem}-poor", credits=credits)
        expires_at = self._clock.now() if code == "expiredApiKey" else None
        return f"Bearer {self._hub.add_key(account.id, expires_at=expires_at)}".encode()

    def _account(self, label: str) -> Account:
        """Return the account of a key; two keys that read the same generation share one."""
        if label not in self._accounts:
            self._accounts[label] = self._owner(label) or self._hub.create_account(
                label, credits=_CREDITS
            )
        return self._accounts[label]

    def _owner(self, label: str) -> Account | None:
        read = {
            _path(one).rpartition("/")[2]
            for one in self._exchanges
            if one.key == label
            and one.status == HTTPStatus.OK
            and self._operation_id(one) == OperationId.GET_GENERATION
        }
        for one in self._exchanges:
            if one.key in self._accounts and one.response_object.get("id") in read:
                return self._accounts[one.key]
        return None

    # -- responses -------------------------------------------------------------------------------

    def compare(self, exchange: RecordedExchange, response: Response) -> list[Difference]:
        """Return where the responses differ, and remember the ids of both."""
        operation = self._operation(exchange)
        clauses = response_clauses(self._spec, operation, exchange.status)
        if exchange.status != response.status:
            service, mock = _describe_status(exchange), _describe_status(response)
            expected = response_clauses(self._spec, operation, response.status)
            return [Difference("status", service, mock, clauses or expected)]
        if not _path(exchange).startswith(self._spec.base_path):
            return self._compare_image(exchange, response)
        headers = header_texts(response.headers)
        differences = list(_compare_headers(exchange.headers, headers, clauses))
        is_json = _media_type(exchange.headers) == _media_type(headers) == JSON
        if exchange.method == "HEAD" or not is_json:
            return differences
        content: tuple[Any, Any] = (exchange.response_json, orjson.loads(response.body))
        self._align_balances(exchange, *content)
        differences += compare_json(self._spec, operation, exchange.status, *content)
        self._remember(exchange, *content)
        return differences

    def _align_balances(self, exchange: RecordedExchange, service: Any, mock: Any) -> None:
        """Let the mock's balance begin like the service's, and continue from each difference."""
        label = exchange.key or ""
        (_, recorded), (balance, credits) = balance_in(service), balance_in(mock)
        if recorded is None or credits is None:
            return
        if self._is_charged_meanwhile(exchange):  # in an order that is not known
            balance["credits"] = recorded
            self._balances[label] = min(recorded, self._balances.get(label, recorded))
            return
        offset = self._offsets.get(label, credits - recorded)
        balance["credits"] = credits - offset
        self._offsets[label] = credits - recorded
        self._balances[label] = recorded

    def _is_charged_meanwhile(self, exchange: RecordedExchange) -> bool:
        account = self._accounts.get(exchange.key or "")
        create = OperationId.CREATE_GENERATION
        return any(self._operation_id(one) == create for one in self._meanwhile(exchange, account))

    def _meanwhile(
        self, exchange: RecordedExchange, account: Account | None
    ) -> list[RecordedExchange]:
        """Return the exchanges of the account, as far as it is known, that overlap this one."""
        overlaps = self._overlaps.get(exchange.path, ())
        return [
            one for one in overlaps if one.key and self._accounts.get(one.key, account) is account
        ]

    def _remember(self, exchange: RecordedExchange, service: Any, mock: Any) -> None:
        if not (isinstance(service, dict) and isinstance(mock, dict)):
            return
        id = service.get("id")
        if isinstance(id, str) and "id" in mock:
            self._names[id] = mock["id"]
            if exchange.method == "POST" and _request_fields(exchange)["size"] == "auto":
                self._any_size.add(id)
        for path, other in zip(image_paths(service), image_paths(mock), strict=False):
            if path and other:
                self._names[path] = other
                self._any_size |= {path} if id in self._any_size else set()

    def _compare_image(self, exchange: RecordedExchange, response: Response) -> list[Difference]:
        sizes = [image_size(body) for body in (exchange.body, response.body)]
        if sizes[0] == sizes[1] or (sizes[0] and _path(exchange) in self._any_size):
            return []
        shown = ["x".join(map(str, size)) if size else "no image" for size in sizes]
        return [Difference("image size", shown[0], shown[1], ("GEN-10",))]


def _ms(seconds: float) -> int:
    return round(seconds * SECOND)


def _path(exchange: RecordedExchange) -> str:
    return exchange.target.partition("?")[0]


def _request_fields(exchange: RecordedExchange) -> Mapping[str, str]:
    """Return the prompt and the size of a generation request."""
    content, form = exchange.content.get("json"), exchange.content.get("form", ())
    fields = {part["name"]: part.get("value") for part in form}
    fields = content if isinstance(content, dict) else fields
    return {"prompt": str(fields.get("prompt", "")), "size": str(fields.get("size", "auto"))}


def _describe_status(response: RecordedExchange | Response) -> str:
    code, _ = body_error_code_and_status(response.body)
    return f"{response.status} {code or ''}".rstrip()


def _compare_headers(
    service: Mapping[str, str], mock: Mapping[str, str], clauses: tuple[str, ...]
) -> Iterator[Difference]:
    """Compare the media type, and whether there are the headers on which a client acts."""
    if _media_type(service) != _media_type(mock):
        yield Difference("Content-Type", _media_type(service), _media_type(mock), clauses)
    for name in _COMPARED_HEADERS:
        if (name.lower() in service) != (name.lower() in mock):
            values = [one.get(name.lower(), "none") for one in (service, mock)]
            yield Difference(name, values[0], values[1], clauses)


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "none").partition(";")[0]
