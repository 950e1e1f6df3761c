"""Clients that generate images and never pay twice: a synchronous and an asynchronous one."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import flow
import httpx
from flow import Flow, Request

BASE_URL = "https://www.gptimagehub.com/api/v1"


class ImageClient:
    """A synchronous client; use it in `with`.

    Args:
        base_url: By default the environment variable IMAGES_URL, else the live service.
        api_key: By default the environment variable IMAGES_KEY.
        sleep: The function that waits; a test passes one that advances the hub's clock.
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

    def generate(self, prompt: str, *, size: str = "1024x1024", n: int = 1) -> list[bytes]:
        """Return the files of *n* images, or of as many as were delivered and charged."""
        generation = self._run(flow.generate(prompt, size, n))
        return [
            httpx.get(image["url"]).raise_for_status().content for image in generation["images"]
        ]

    def credits(self) -> int:
        balance: int = self._run(flow.get("/credits"))["credits"]
        return balance

    def _run(self, steps: Flow) -> Any:
        response = None
        while True:
            try:
                step = steps.send(response)
            except StopIteration as end:
                return end.value
            response = self._send(step) if isinstance(step, Request) else self._wait(step)

    def _send(self, request: Request) -> httpx.Response | None:
        try:
            return self._http.request(request.method, request.url, json=request.json)
        except httpx.TransportError:
            return None

    def _wait(self, seconds: float) -> None:
        self._sleep(seconds)

    def __enter__(self) -> ImageClient:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()


class AsyncImageClient:
    """The same for asynchronous code; use it in `async with`."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(**_settings(base_url, api_key))
        self._sleep = sleep

    async def generate(self, prompt: str, *, size: str = "1024x1024", n: int = 1) -> list[bytes]:
        """Return the files of *n* images, or of as many as were delivered and charged."""
        generation = await self._run(flow.generate(prompt, size, n))
        async with httpx.AsyncClient() as http:
            responses = [await http.get(image["url"]) for image in generation["images"]]
        return [response.raise_for_status().content for response in responses]

    async def _run(self, steps: Flow) -> Any:
        response = None
        while True:
            try:
                step = steps.send(response)
            except StopIteration as end:
                return end.value
            response = await (self._send(step) if isinstance(step, Request) else self._wait(step))

    async def _send(self, request: Request) -> httpx.Response | None:
        try:
            return await self._http.request(request.method, request.url, json=request.json)
        except httpx.TransportError:
            return None

    async def _wait(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def __aenter__(self) -> AsyncImageClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()


def _settings(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    key = api_key or os.environ["IMAGES_KEY"]
    return {
        "base_url": base_url or os.environ.get("IMAGES_URL", BASE_URL),
        "headers": {"Authorization": f"Bearer {key}"},
        "timeout": 30,
    }
