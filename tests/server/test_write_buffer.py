"""Answers leave in their order, whoever waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mockhub.server.write_buffer import WriteBatch, WriteBuffer

pytestmark = pytest.mark.asyncio


class Transport:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def is_closing(self) -> bool:
        return "close" in self.told

    def get_extra_info(self, name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.told.append(name)


def met(count: int) -> tuple[list[WriteBuffer], list[Transport], WriteBatch]:
    """So many outlets in one round."""
    transports: list[Any] = [Transport() for _ in range(count)]
    round = WriteBatch()
    return [WriteBuffer(transport, round) for transport in transports], transports, round


async def test_answers_leave_when_all_that_came_was_looked_at() -> None:
    """Among several connections nothing leaves in the midst, and everything at the end."""
    (first, second), (one, other), _ = met(2)
    first.write_buffered(b"a")
    second.write_buffered(b"b")
    first.write_buffered(b"c")
    assert one.told + other.told == []
    await asyncio.sleep(0)
    assert (one.told, other.told) == ([b"ac"], [b"b"])


async def test_who_is_alone_waits_for_nobody() -> None:
    """The answer to an only client leaves at once, also when others have left before."""
    (first, second), (one, _), _ = met(2)
    second.discard()
    first.write_buffered(b"a")
    assert one.told == [b"a"]


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda outlet: outlet.write(b"b"), [b"a", b"b"]),
        (lambda outlet: outlet.write_eof(), [b"a", "write_eof"]),
        (lambda outlet: outlet.close(), [b"a", "close"]),
        (lambda outlet: outlet.abort(reset=True), [b"a", "abort"]),
        (lambda outlet: outlet.discard(), []),
    ],
    ids=["write", "write_eof", "close", "abort", "discard"],
)
async def test_what_is_held_goes_first(
    act: Callable[[WriteBuffer], None], told: list[object]
) -> None:
    """Whatever ends or follows an answer comes after it, once; a lost connection gets nothing."""
    (outlet, _), (transport, _), _ = met(2)
    outlet.write_buffered(b"a")
    act(outlet)
    await asyncio.sleep(0)
    assert told == transport.told


async def test_what_closes_meanwhile_is_not_written_to() -> None:
    """A transport that closes before the round is over is left alone."""
    (outlet, _), (transport, _), _ = met(2)
    outlet.write_buffered(b"a")
    transport.told.append("close")
    await asyncio.sleep(0)
    assert transport.told == ["close"]
