"""Requests that reach the server at the same moment: each waits for its last byte."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Shot:
    """One POST of a volley."""

    url: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Hit:
    """What came back, or why nothing did."""

    status: int = 0
    headers: Mapping[str, str] | None = None
    content: bytes = b""
    lost: str = ""


def fire(shots: Sequence[Shot], timeout: float) -> list[Hit]:
    """Send everything but the last byte of each, then the last bytes in one go."""
    guns = [_load(shot, timeout) for shot in shots]
    for gun, shot in zip(guns, shots, strict=True):
        if gun is not None:
            with suppress(OSError):
                gun.send(shot.content[-1:])
    return [_hit(gun) for gun in guns]


def _load(shot: Shot, timeout: float) -> http.client.HTTPConnection | None:
    split = urlsplit(shot.url)
    kind = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
    gun = kind(split.hostname or "", split.port, timeout=timeout)
    try:
        gun.putrequest("POST", split.path, skip_accept_encoding=True)
        for name, value in {**shot.headers, "Content-Length": str(len(shot.content))}.items():
            gun.putheader(name, value)
        gun.endheaders(shot.content[:-1])
    except OSError:
        gun.close()
        return None
    return gun


def _hit(gun: http.client.HTTPConnection | None) -> Hit:
    if gun is None:
        return Hit(lost="unreachable")
    try:
        response = gun.getresponse()
        content = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Hit(response.status, headers, content)
    except TimeoutError:
        return Hit(lost="timeout")
    except (OSError, http.client.HTTPException):
        return Hit(lost="closed")
    finally:
        gun.close()
