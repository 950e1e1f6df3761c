"""The journal: a bounded record of exchanges as the client saw them, with no key in it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from mockhub.spec.values import Value
from mockhub.world.generations import Request

Headers = tuple[tuple[bytes, bytes], ...]

ENTRIES = 1000
BYTES = 8 * 1024 * 1024
KEPT_BODY = 4096


class Body(Value, frozen=True):
    """A body, or of a long one its length and digest only."""

    length: int
    content: bytes | None
    digest: str | None = None


class Record(NamedTuple):
    """One exchange."""

    number: int
    at: int  # milliseconds, the hub's clock
    method: str
    target: str  # path and query
    operation: str | None
    account: str | None
    generation: str | None
    request_headers: Mapping[bytes, bytes]
    request: Body
    status: int
    response_headers: Headers
    response: Body
    credits: int  # what the exchange did to the account's balance
    faults: tuple[str, ...]
    milliseconds: float
    gone: bool  # the client left before it had the whole answer
    violation: str | None  # how our answer broke the law
    key: bytes | None = None  # the hash of the key that came along
    asked: Request | None = None  # what was asked for, where the body was valid
    unknown: tuple[str, ...] = ()  # fields of the body that the law does not know
    code: str | None = None  # of the error that was answered
    state: str | None = None  # of the generation that was answered
    began: float = 0.0  # seconds on the machine's stopwatch; only differences mean anything

    @property
    def met(self) -> Met:
        """What the client met."""
        return (self.operation, self.status, self.code, self.state)

    def record(self) -> Record:
        """Itself; what is not written down yet has another."""
        return self

    @property
    def size(self) -> int:
        """About how many bytes it keeps."""
        asked = len(self.asked.prompt) if self.asked else 0
        headers = self.request_headers
        heads = len(self.target) + sum(map(len, (*headers, *headers.values())))
        bodies = len(self.request.content or b"") + len(self.response.content or b"")
        return heads + bodies + asked


# What an exchange let the client meet: operation, status, error code and the job's state.
Met = tuple[str | None, int, str | None, str | None]


class Entry(Protocol):
    """An exchange; its record is written when somebody reads it, since nearly all go unread."""

    @property
    def met(self) -> Met: ...

    @property
    def size(self) -> int: ...

    def record(self) -> Record: ...


class Journal:
    """The last exchanges of a hub, bounded by number and by bytes.

    What was met is counted for good, also by exchanges that have been let go.
    """

    def __init__(self, *, entries: int = ENTRIES, bytes: int = BYTES) -> None:
        self._kept: deque[Entry] = deque()
        self._entries = entries
        self._bytes = bytes
        self._size = 0
        self.made = 0
        self.met: Counter[Met] = Counter()

    def add(self, entry: Entry) -> None:
        """Keep an exchange, and let go of the oldest while there are too many."""
        kept, size = self._kept, self._size + entry.size
        kept.append(entry)
        self.made += 1
        self.met[entry.met] += 1
        while len(kept) > self._entries or size > self._bytes:
            size -= kept.popleft().size
        self._size = size

    def clear(self) -> None:
        """Forget everything but the number of the last exchange."""
        self._kept.clear()
        self._size = 0
        self.met.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Record]:
        records = tuple([entry.record() for entry in self._kept])
        self._kept = deque(records)
        self._size = sum([record.size for record in records])
        return iter(records)
