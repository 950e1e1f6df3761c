"""The journal of a hub as tests see it: a list of recorded exchanges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, overload

from msgspec.structs import asdict

from mockhub._near_misses import differences, distance, format_criteria, join_near_misses
from mockhub._text import plural, printable, suggest
from mockhub._timestamps import SECOND
from mockhub.exceptions import MockhubError
from mockhub.journal.exchange import Exchange, StoredBody, header_texts
from mockhub.spec.operations import OperationId

_MAX_ROWS = 40
_MAX_PROMPT_LENGTH = 60


class RecordedExchange(NamedTuple):
    """One request with its response.

    Attributes:
        number: The position in the hub's journal, from 1.
        timestamp: The time of the request by the hub's clock.
        method: The HTTP method.
        path: The path with the query.
        operation: The operation id, such as ``create_generation``; None for an unknown path.
        headers: The request headers in lower case; the API key is redacted.
        fields: The fields of a generation request: with defaults if it was valid, else as sent.
        status: The status of the response; 0 if none was sent.
        response: The decoded JSON of the response, or its bytes.
        code: The error code, such as ``insufficientCredits``.
        credits: The charge and refunds so far of the generation that the request created, such
            as -8; 0 if it created none.
        generation: The id of the generation that the request created or read.
        faults: The faults that fired.
        client_disconnected: Whether the client disconnected before the end of the response.
        spec_violation: How the response differs from the API spec, which is a bug of mockhub.
    """

    number: int
    timestamp: datetime
    method: str
    path: str
    operation: str | None
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    status: int
    response: Any
    code: str | None
    credits: int
    generation: str | None
    faults: tuple[str, ...]
    client_disconnected: bool
    spec_violation: str | None

    @classmethod
    def from_journal(cls, exchange: Exchange) -> RecordedExchange:
        request = exchange.parsed_request
        return cls(
            number=exchange.number,
            timestamp=to_datetime(exchange.timestamp),
            method=exchange.method,
            path=exchange.target,
            operation=exchange.operation,
            headers=header_texts(exchange.request_headers),
            fields={**asdict(request), "references": len(request.references)}
            if request
            else _raw_fields(exchange.request),
            status=exchange.status,
            response=_decode(exchange.response),
            code=exchange.code,
            credits=exchange.credits,
            generation=exchange.generation,
            faults=exchange.faults,
            client_disconnected=exchange.client_disconnected,
            spec_violation=exchange.spec_violation,
        )

    def __str__(self) -> str:
        status = self.status or "no response"
        words = [f"#{self.number:<3} {self.method} {printable(self.path)}  {status}"]
        words += [self.code] if self.code else []
        words += [f"{self.credits:+d} credits"] if self.credits else []
        words += [_truncate_prompt(self.fields["prompt"])] if "prompt" in self.fields else []
        words += [f"fault {fault}" for fault in self.faults]
        words += ["client disconnected"] if self.client_disconnected else []
        if self.spec_violation:
            words.append(f"MOCKHUB BUG: {printable(self.spec_violation)}")
        return "  ".join(words)


class ExchangeList(Sequence[RecordedExchange]):
    """The exchanges of a hub, oldest first. Its `str` is a table with one line for each.

    The `str` of an empty result of `filter` shows the exchanges that nearly match.
    """

    def __init__(
        self,
        exchanges: Iterable[RecordedExchange],
        describe_empty: Callable[[], str] = lambda: "No requests were recorded.",
    ) -> None:
        self._exchanges = tuple(exchanges)
        self._describe_empty = describe_empty

    @overload
    def __getitem__(self, index: int) -> RecordedExchange: ...
    @overload
    def __getitem__(self, index: slice) -> ExchangeList: ...
    def __getitem__(self, index: int | slice) -> RecordedExchange | ExchangeList:
        if isinstance(index, slice):
            return ExchangeList(self._exchanges[index])
        return self._exchanges[index]

    def __len__(self) -> int:
        return len(self._exchanges)

    def filter(self, **criteria: Any) -> ExchangeList:
        """Return the exchanges with these attributes, such as ``journal.filter(status=402)``.

        Args:
            criteria: The attributes of an exchange; a pattern is searched in a text.

        Raises:
            MockhubError: if an exchange has no such attribute, or there is no such operation.
        """
        check_field_names(criteria, RecordedExchange._fields, "an exchange")
        _check_values(criteria)
        matching = [exchange for exchange in self if not differences(exchange._asdict(), criteria)]
        return ExchangeList(matching, partial(_describe_no_match, self._exchanges, criteria))

    def __str__(self) -> str:
        if not self._exchanges:
            return self._describe_empty()
        omitted = len(self) - _MAX_ROWS
        header = [f"... {omitted} earlier ones"] if omitted > 0 else []
        return "\n".join(header + [str(exchange) for exchange in self._exchanges[-_MAX_ROWS:]])

    __repr__ = __str__


def _describe_no_match(exchanges: Sequence[RecordedExchange], criteria: Mapping[str, Any]) -> str:
    if not exchanges:
        return "No requests were recorded."
    misses = []
    for exchange in exchanges:
        found = differences(exchange._asdict(), criteria)
        misses.append((distance(found), f"#{exchange.number}: {'; '.join(map(str, found))}"))
    title = f"None of {plural(len(exchanges), 'request')} has {format_criteria(criteria)}"
    return "\n".join([title, *join_near_misses(misses)])


def _raw_fields(body: StoredBody) -> Mapping[str, Any]:
    content = _decode(body)
    return content if isinstance(content, dict) else {}


def _decode(body: StoredBody) -> Any:
    try:
        return json.loads(body.content or b"")
    except ValueError:
        return body.content


def to_datetime(timestamp: int) -> datetime:
    """Convert milliseconds since 1970 to a datetime in UTC."""
    return datetime.fromtimestamp(timestamp / SECOND, UTC)


def check_field_names(names: Iterable[str], known: Sequence[str], subject: str) -> None:
    """Raise MockhubError for a name that is not known."""
    for name in names:
        if name not in known:
            hint = suggest(name, known)
            raise MockhubError(
                f"{subject} has no field {name!r}{hint}; known fields: {', '.join(known)}"
            )


def _check_values(criteria: Mapping[str, object]) -> None:
    operation, status = criteria.get("operation"), criteria.get("status")
    if isinstance(operation, str) and operation not in [*OperationId]:
        raise MockhubError(
            f"there is no operation {operation!r}; expected one of {', '.join(OperationId)}"
            f"{suggest(operation, OperationId)}"
        )
    if isinstance(status, str):
        raise MockhubError(f"status: {status!r}: expected a whole number, such as 402")


def _truncate_prompt(prompt: object) -> str:
    text = repr(prompt)
    return text if len(text) <= _MAX_PROMPT_LENGTH else f"{text[: _MAX_PROMPT_LENGTH - 3]}..."
