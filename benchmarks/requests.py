"""The measured requests."""

from __future__ import annotations

import json
from hashlib import blake2b

from benchmarks.load import RequestTemplate

KEY = "gih_live_" + 32 * "x"
AUTH = {"Authorization": f"Bearer {KEY}"}
GENERATIONS = "/api/v1/images/generations"
LOGS = "/api/v1/generations/"
BODY = {"model": "gpt-image-2", "prompt": "A lighthouse at dusk", "size": "1024x1024"}

HELLO = RequestTemplate("GET", "/")
MODELS = RequestTemplate("GET", "/api/v1/models")
CREDITS = RequestTemplate("GET", "/api/v1/credits", AUTH)


def post(**more: object) -> RequestTemplate:
    """Return a generation request in JSON."""
    body = json.dumps({**BODY, **more}).encode()
    return RequestTemplate("POST", GENERATIONS, {**AUTH, "Content-Type": "application/json"}, body)


def form(size: int = 100 * 1024) -> RequestTemplate:
    """Return a generation request as a form with one reference image of *size* bytes."""
    noise = b"".join(blake2b(b"%d" % index).digest() for index in range(size // 64))
    parts = [_part(f'name="{name}"', value.encode()) for name, value in BODY.items()]
    png = b"\x89PNG\r\n\x1a\n" + noise[8:]
    parts.append(_part('name="reference_image"; filename="a.png"', png, "image/png"))
    body = b"".join(parts) + b"--edge--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    return RequestTemplate("POST", GENERATIONS, {**AUTH, **kind}, body)


def _part(disposition: str, content: bytes, kind: str = "") -> bytes:
    head = f"--edge\r\nContent-Disposition: form-data; {disposition}\r\n"
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return head.encode() + b"\r\n" + content + b"\r\n"
