"""Tests of the asynchronous client."""

from __future__ import annotations

import asyncio

import pytest
from flow import ResponseLostError
from image_client import AsyncImageClient

from mockhub import Hub

pytestmark = pytest.mark.asyncio


def connect(mockhub: Hub) -> AsyncImageClient:
    """Return a client of the hub; when it waits, the hub's clock advances."""

    async def sleep(seconds: float) -> None:
        mockhub.clock.advance(seconds)

    return AsyncImageClient(mockhub.base_url, mockhub.key, sleep=sleep)


@pytest.mark.mockhub(provider="duration=30s")
async def test_generates(mockhub: Hub) -> None:
    """A generation of 30 seconds takes no real time."""
    async with connect(mockhub) as client:
        assert len(await client.generate("A lighthouse at dusk")) == 1
    mockhub.assert_spent(8)


async def test_generates_concurrently(mockhub: Hub) -> None:
    """Five concurrent generations are charged once each."""
    prompts = [f"Lighthouse {number}" for number in range(5)]
    async with connect(mockhub) as client:
        await asyncio.gather(*map(client.generate, prompts))
    for prompt in prompts:
        mockhub.assert_generated(prompt=prompt, times=1)
    mockhub.assert_spent(40)


@pytest.mark.mockhub(faults="reset@after x1 on=create_generation")
async def test_never_pays_twice(mockhub: Hub) -> None:
    """The response was lost after the charge, so the client does not send the request again."""
    async with connect(mockhub) as client:
        with pytest.raises(ResponseLostError):
            await client.generate("A lighthouse at dusk")
    mockhub.assert_no_double_charge()
