"""The limit of the benchmarks: an ASGI callable that only sends the bytes of the model list."""

from __future__ import annotations

from typing import Any

import orjson

from mockhub._resources import resource_path
from mockhub.spec.api_spec import load_spec

_BODY = orjson.dumps(load_spec(resource_path("openapi.yaml")).model_list)
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_BODY)),
    ],
}
_END = {"type": "http.response.body", "body": _BODY}


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send(_START)
    await send(_END)
