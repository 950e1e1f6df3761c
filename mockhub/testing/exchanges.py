"""What a client did: a hub's journal as a test reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, overload

from msgspec.structs import asdict

from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.world.clock import SECOND
from mockhub.world.generations import Request
from mockhub.world.journal import Body, Record

_SHOWN = 40
_PROMPT_SHOWN = 60


class Exchange(NamedTuple):
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
    at: datetime
    method: str
    path: str
    operation: str | None
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    status: int
    answer: Any
    code: str | None
    credits: int
    generation: str | None
    faults: tuple[str, ...]
    gone: bool
    violation: str | None

    def __str__(self) -> str:
        words = [
            f"#{self.number:<3} {self.method} {printable(self.path)}  {self.status or 'no answer'}"
        ]
        words += [self.code] if self.code else []
        words += [f"{self.credits:+d} credits"] if self.credits else []
        words += [_shortened(self.fields["prompt"])] if "prompt" in self.fields else []
        words += [f"fault {fault}" for fault in self.faults]
        words += ["client gone"] if self.gone else []
        words += [f"OUR FAULT: {self.violation}"] if self.violation else []
        return "  ".join(words)


class Journal(Sequence[Exchange]):
    """The exchanges of a hub, oldest first; `str` of it is a table to read."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = tuple(exchanges)

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> Journal: ...
    def __getitem__(self, index: int | slice) -> Exchange | Journal:
        if isinstance(index, slice):
            return Journal(self._exchanges[index])
        return self._exchanges[index]

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges)

    def where(self, **wanted: Any) -> Journal:
        """Those whose attributes are all as wanted: ``journal.where(status=402)``."""
        check_names(wanted, Exchange._fields, "an exchange")
        return Journal(
            [one for one in self if all(getattr(one, name) == wanted[name] for name in wanted)]
        )

    def __str__(self) -> str:
        if not self._exchanges:
            return "The hub was asked nothing."
        left_out = len(self) - _SHOWN
        head = [f"... {left_out} earlier ones"] if left_out > 0 else []
        return "\n".join(head + [str(one) for one in self._exchanges[-_SHOWN:]])

    __repr__ = __str__


def read(record: Record) -> Exchange:
    """A record of the journal."""
    return Exchange(
        number=record.number,
        at=to_datetime(record.at),
        method=record.method,
        path=record.target,
        operation=record.operation,
        headers={
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in record.request_headers.items()
        },
        fields=_understood(record.asked) if record.asked else _sent(record.request),
        status=record.status,
        answer=_content(record.response),
        code=record.code,
        credits=record.credits,
        generation=record.generation,
        faults=record.faults,
        gone=record.gone,
        violation=record.violation,
    )


def _understood(request: Request) -> dict[str, Any]:
    return {**asdict(request), "references": len(request.references)}


def _sent(body: Body) -> Mapping[str, Any]:
    content = _content(body)
    return content if isinstance(content, dict) else {}


def _content(body: Body) -> Any:
    try:
        return json.loads(body.content or b"")
    except ValueError:
        return body.content


def to_datetime(moment: int) -> datetime:
    """A moment of the world, for people."""
    return datetime.fromtimestamp(moment / SECOND, UTC)


def check_names(wanted: Iterable[str], known: Sequence[str], whose: str) -> None:
    """Refuse a name that nothing is called; raises MockhubError."""
    for name in wanted:
        if name not in known:
            hint = nearest(name, known)
            raise MockhubError(f"{whose} has no {name!r}{hint}; it has {', '.join(known)}")


def printable(text: str) -> str:
    """*text* with what could do harm to a terminal escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def many(count: int, noun: str) -> str:
    """Such as ``1 test`` or ``2 tests``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _shortened(prompt: object) -> str:
    text = repr(prompt)
    return text if len(text) <= _PROMPT_SHOWN else f"{text[: _PROMPT_SHOWN - 3]}..."
