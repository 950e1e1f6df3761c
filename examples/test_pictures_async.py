"""Tests of the asynchronous client."""

from __future__ import annotations

import asyncio

import pytest
from flow import PaidButLost
from pictures import AsyncPictures

from mockhub import Hub

pytestmark = pytest.mark.asyncio


def client(mockhub: Hub) -> AsyncPictures:
    """The client, told where the hub is; when it waits, the hub's time passes."""

    async def sleep(seconds: float) -> None:
        mockhub.clock.advance(seconds)

    return AsyncPictures(mockhub.base_url, mockhub.key, sleep=sleep)


@pytest.mark.mockhub(provider="duration=30s")
async def test_draws(mockhub: Hub) -> None:
    """A picture of half a minute is there at once."""
    async with client(mockhub) as pictures:
        assert len(await pictures.draw("A lighthouse at dusk")) == 1
    mockhub.assert_spent(8)


async def test_draws_many_at_once(mockhub: Hub) -> None:
    """Five at once are paid once each."""
    prompts = [f"Lighthouse {number}" for number in range(5)]
    async with client(mockhub) as pictures:
        await asyncio.gather(*map(pictures.draw, prompts))
    for prompt in prompts:
        mockhub.assert_generated(prompt=prompt, times=1)
    mockhub.assert_spent(40)


@pytest.mark.mockhub(faults="reset@after x1 on=create_generation")
async def test_never_pays_twice(mockhub: Hub) -> None:
    """An answer that is lost when it was paid for is not paid for again."""
    async with client(mockhub) as pictures:
        with pytest.raises(PaidButLost):
            await pictures.draw("A lighthouse at dusk")
    mockhub.assert_no_double_charge()
