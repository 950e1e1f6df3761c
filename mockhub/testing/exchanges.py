"""What a client did: a hub's journal as a test reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, overload

from msgspec.structs import asdict

from mockhub._text import printable, suggest
from mockhub._timestamps import SECOND
from mockhub.exceptions import MockhubError
from mockhub.journal.exchange import Exchange as RecordedExchange
from mockhub.journal.exchange import StoredBody
from mockhub.spec.generation_request import GenerationRequest

_MAX_ROWS = 40
_MAX_PROMPT_LENGTH = 60


class ExchangeView(NamedTuple):
    """One request and its answer.

    Attributes:
        number: counted from 1 in the hub.
        operation: such as ``create_generation``; None where the path was unknown.
        at: when, by the hub's clock.
        headers: of the request, in small letters; the key is not among them.
        fields: of a generation request, with its defaults; of a refused one, what was sent.
        status: 0 if no answer was sent.
        answer: the JSON of the answer, or its bytes.
        code: of an error, such as ``insufficientCredits``.
        credits: what it did to the balance.
        faults: what was armed and struck.
        gone: whether the client left before it had the answer.
        violation: how the server broke its own law.
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

    def __str__(self) -> str:
        words = [
            f"#{self.number:<3} {self.method} {printable(self.path)}  {self.status or 'no response'}"  # noqa: E501
        ]
        words += [self.code] if self.code else []
        words += [f"{self.credits:+d} credits"] if self.credits else []
        words += [_truncate_prompt(self.fields["prompt"])] if "prompt" in self.fields else []
        words += [f"fault {fault}" for fault in self.faults]
        words += ["client disconnected"] if self.client_disconnected else []
        words += [f"MOCKHUB BUG: {self.spec_violation}"] if self.spec_violation else []
        return "  ".join(words)


class JournalView(Sequence[ExchangeView]):
    """The exchanges of a hub, oldest first; `str` of it is a table to read."""

    def __init__(self, exchanges: Sequence[ExchangeView]) -> None:
        self._exchanges = tuple(exchanges)

    @overload
    def __getitem__(self, index: int) -> ExchangeView: ...
    @overload
    def __getitem__(self, index: slice) -> JournalView: ...
    def __getitem__(self, index: int | slice) -> ExchangeView | JournalView:
        if isinstance(index, slice):
            return JournalView(self._exchanges[index])
        return self._exchanges[index]

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[ExchangeView]:
        return iter(self._exchanges)

    def filter(self, **criteria: Any) -> JournalView:
        """Those whose attributes are all as wanted: ``journal.filter(status=402)``."""
        check_field_names(criteria, ExchangeView._fields, "an exchange")
        return JournalView(
            [one for one in self if all(getattr(one, name) == criteria[name] for name in criteria)]
        )

    def __str__(self) -> str:
        if not self._exchanges:
            return "No requests were recorded."
        omitted = len(self) - _MAX_ROWS
        header = [f"... {omitted} earlier ones"] if omitted > 0 else []
        return "\n".join(header + [str(one) for one in self._exchanges[-_MAX_ROWS:]])

    __repr__ = __str__


def to_exchange_view(exchange: RecordedExchange) -> ExchangeView:
    """A record of the journal."""
    return ExchangeView(
        number=exchange.number,
        timestamp=to_datetime(exchange.timestamp),
        method=exchange.method,
        path=exchange.target,
        operation=exchange.operation,
        headers={
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in exchange.request_headers.items()
        },
        fields=_parsed_fields(exchange.parsed_request)
        if exchange.parsed_request
        else _raw_fields(exchange.request),
        status=exchange.status,
        response=_content(exchange.response),
        code=exchange.code,
        credits=exchange.credits,
        generation=exchange.generation,
        faults=exchange.faults,
        client_disconnected=exchange.client_disconnected,
        spec_violation=exchange.spec_violation,
    )


def _parsed_fields(request: GenerationRequest) -> dict[str, Any]:
    return {**asdict(request), "references": len(request.references)}


def _raw_fields(body: StoredBody) -> Mapping[str, Any]:
    content = _content(body)
    return content if isinstance(content, dict) else {}


def _content(body: StoredBody) -> Any:
    try:
        return json.loads(body.content or b"")
    except ValueError:
        return body.content


def to_datetime(timestamp: int) -> datetime:
    """A moment of the world, for people."""
    return datetime.fromtimestamp(timestamp / SECOND, UTC)


def check_field_names(names: Iterable[str], known: Sequence[str], subject: str) -> None:
    """Refuse a name that nothing is called; raises MockhubError."""
    for name in names:
        if name not in known:
            hint = suggest(name, known)
            raise MockhubError(f"{subject} has no {name!r}{hint}; it has {', '.join(known)}")


def _truncate_prompt(prompt: object) -> str:
    text = repr(prompt)
    return text if len(text) <= _MAX_PROMPT_LENGTH else f"{text[: _MAX_PROMPT_LENGTH - 3]}..."
