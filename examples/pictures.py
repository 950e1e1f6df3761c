"""Clients that draw pictures and never pay twice: a synchronous and an asynchronous one."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import flow
import httpx
from flow import Ask, Flow

BASE_URL = "https://www.gptimagehub.com/api/v1"


class Pictures:
    """Draws pictures; use it in `with`.

    Args:
        base_url: from the environment, `PICTURES_URL`, or the published service's.
        api_key: from the environment, `PICTURES_KEY`.
        sleep: how to wait; a test lets a clock jump instead.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._http = httpx.Client(**_settings(base_url, api_key))
        self._sleep = sleep

    def draw(self, prompt: str, *, size: str = "1024x1024", n: int = 1) -> list[bytes]:
        """The files of *n* pictures, or of as many as were delivered and paid."""
        log = self._run(flow.draw(prompt, size, n))
        return [httpx.get(image["url"]).raise_for_status().content for image in log["images"]]

    def credits(self) -> int:
        """How many credits are left."""
        balance: int = self._run(flow.read("/credits"))["credits"]
        return balance

    def _run(self, steps: Flow) -> Any:
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value
            answer = self._ask(step) if isinstance(step, Ask) else self._wait(step)

    def _ask(self, ask: Ask) -> httpx.Response | None:
        try:
            return self._http.request(ask.method, ask.url, json=ask.json)
        except httpx.TransportError:
            return None

    def _wait(self, seconds: float) -> None:
        self._sleep(seconds)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()


class AsyncPictures:
    """As `Pictures`, for asynchronous code; use it in `async with`."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(**_settings(base_url, api_key))
        self._sleep = sleep

    async def draw(self, prompt: str, *, size: str = "1024x1024", n: int = 1) -> list[bytes]:
        """The files of *n* pictures, or of as many as were delivered and paid."""
        log = await self._run(flow.draw(prompt, size, n))
        async with httpx.AsyncClient() as http:
            answers = [await http.get(image["url"]) for image in log["images"]]
        return [answer.raise_for_status().content for answer in answers]

    async def _run(self, steps: Flow) -> Any:
        answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value
            answer = await (self._ask(step) if isinstance(step, Ask) else self._wait(step))

    async def _ask(self, ask: Ask) -> httpx.Response | None:
        try:
            return await self._http.request(ask.method, ask.url, json=ask.json)
        except httpx.TransportError:
            return None

    async def _wait(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def __aenter__(self) -> AsyncPictures:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()


def _settings(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    key = api_key or os.environ["PICTURES_KEY"]
    return {
        "base_url": base_url or os.environ.get("PICTURES_URL", BASE_URL),
        "headers": {"Authorization": f"Bearer {key}"},
        "timeout": 30,
    }
