"""The write buffer keeps the order of its data, and the batch flushes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mockhub.server.write_buffer import WriteBatch, WriteBuffer

pytestmark = pytest.mark.asyncio


class RecordingTransport:
    """Records the data that is written and the names of other calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def is_closing(self) -> bool:
        return "close" in self.calls

    def get_extra_info(self, name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.calls.append(name)


def create_buffers(count: int) -> tuple[list[WriteBuffer], list[RecordingTransport]]:
    """Return the buffers of *count* connections in one batch, and their transports."""
    transports: list[Any] = [RecordingTransport() for _ in range(count)]
    batch = WriteBatch()
    return [WriteBuffer(transport, batch) for transport in transports], transports


async def test_responses_are_flushed_at_the_end_of_the_iteration() -> None:
    """With several connections nothing is written at once, and everything together."""
    (first, second), (first_transport, second_transport) = create_buffers(2)
    first.write_buffered(b"a")
    second.write_buffered(b"b")
    first.write_buffered(b"c")
    assert first_transport.calls + second_transport.calls == []
    await asyncio.sleep(0)
    assert (first_transport.calls, second_transport.calls) == ([b"ac"], [b"b"])


async def test_single_connection_is_never_delayed() -> None:
    """The response is written at once, also when other connections have been closed."""
    (first, second), (transport, _) = create_buffers(2)
    second.discard()
    first.write_buffered(b"a")
    assert transport.calls == [b"a"]


@pytest.mark.parametrize(
    ("act", "calls"),
    [
        (lambda buffer: buffer.write(b"b"), [b"a", b"b"]),
        (lambda buffer: buffer.write_eof(), [b"a", "write_eof"]),
        (lambda buffer: buffer.close(), [b"a", "close"]),
        (lambda buffer: buffer.abort(reset=True), [b"a", "abort"]),
        (lambda buffer: buffer.discard(), []),
    ],
    ids=["write", "write_eof", "close", "abort", "discard"],
)
async def test_buffered_data_comes_first(
    act: Callable[[WriteBuffer], None], calls: list[object]
) -> None:
    """It precedes whatever follows it, and is written once; a lost connection gets nothing."""
    (buffer, _), (transport, _) = create_buffers(2)
    buffer.write_buffered(b"a")
    act(buffer)
    await asyncio.sleep(0)
    assert transport.calls == calls


async def test_closing_transport_is_not_written_to() -> None:
    """A transport that closes before the batch is flushed gets nothing."""
    (buffer, _), (transport, _) = create_buffers(2)
    buffer.write_buffered(b"a")
    transport.calls.append("close")
    await asyncio.sleep(0)
    assert transport.calls == ["close"]
