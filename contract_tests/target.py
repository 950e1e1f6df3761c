"""The implementation under judgement: a small client that pays by the meter and keeps evidence."""

from __future__ import annotations

import calendar
import json as jsons
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx

from . import forms, volley
from .exchange import Ask, Exchange
from .forms import File
from .meter import Meter
from .profile import Profile
from .verdicts import Inconclusive, NotAsked

GENERATIONS = "/api/v1/images/generations"
READ_SECONDS = 10.0  # for answers that wait for no image
GENERATE_SECONDS = 60.0
_GIVE_UP = 2  # requests of one kind in a row that nobody answered
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Token(str):
    """A raw token to send that is no key of the profile."""


class Target:
    """Sends requests to the implementation; each is kept in `exchanges`."""

    def __init__(self, profile: Profile, meter: Meter, *, safe: bool = False) -> None:
        self.profile = profile
        self.meter = meter
        self.safe = safe
        self.exchanges: list[Exchange] = []
        self._secrets = {
            raw: "$MOCKHUB_KEY" if role == "valid" else f"$MOCKHUB_KEY_{role.upper()}"
            for role, raw in sorted(profile.keys.items(), key=lambda item: -len(item[1]))
        }
        self._silent: Counter[str] = Counter()  # by kind of request
        self._lock = Lock()
        self._http = _client(self.loopback)

    @property
    def loopback(self) -> bool:
        """Whether the implementation runs on this machine."""
        return is_loopback(self.profile.base_url)

    @property
    def requests(self) -> int:
        return len(self.exchanges)

    def keep_secret(self, raw: str, name: str) -> None:
        """Show *raw* as *name* wherever it occurs in evidence."""
        self._secrets[raw] = name

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, key: str | None = "valid", **more: Any) -> Exchange:
        """GET a path below /api/v1, or a whole address; *key* is a role, a `Token`, or None."""
        url = path if "://" in path else f"{self.profile.base_url}/api/v1/{path}"
        return self.send("GET", url, key=key, **more)

    def post(
        self,
        json: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        files: Iterable[File] = (),
        files_first: bool = False,
        raw: tuple[str, bytes] | None = None,
        key: str | None = "valid",
        cost: int = 0,
        **more: Any,
    ) -> Exchange:
        """POST a generation as JSON, as a form, or as raw (content type, bytes).

        *cost* is the worst case in credits, which the meter holds until the balances are read.
        """
        content, media, typed = _body(
            json, form, [("reference_image", file) for file in files], raw, files_first
        )
        headers = {"Content-Type": media, **more.pop("headers", {})}
        ticket = self.meter.reserve(cost)
        try:
            return self.send(
                "POST",
                f"{self.profile.base_url}{more.pop('path', GENERATIONS)}",
                key=key,
                headers=headers,
                content=content,
                typed=typed,
                timeout=GENERATE_SECONDS,
                **more,
            )
        finally:
            self.meter.over(ticket)

    def send(
        self,
        method: str,
        url: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        typed: tuple[str, ...] = (),
        open: bool = False,
        timeout: float = READ_SECONDS,
    ) -> Exchange:
        """Send one request, once, and keep what was exchanged."""
        if self.safe and method != "GET":
            raise NotAsked("--safe sends nothing but GETs")
        if self._silent[_kind(method, url)] >= _GIVE_UP:
            raise Inconclusive(f"not sent: the server no longer answers {_kind(method, url)}")
        sent = {**self._authorization(key), **(headers or {})}
        ask = Ask(
            method, url, sent, content if content and len(content) < 10_000 else None, typed, open
        )
        begun = time.perf_counter()
        found = self._exchange(ask, sent, content, timeout)
        return self._keep(ask, found, time.perf_counter() - begun)

    def volley(self, bodies: Sequence[Any], *, key: str, costs: Sequence[int]) -> list[Exchange]:
        """POST JSON *bodies* so that they arrive at the same moment; *costs* as in `post`."""
        if self.safe:
            raise NotAsked("--safe sends nothing but GETs")
        url = f"{self.profile.base_url}{GENERATIONS}"
        headers = {**self._authorization(key), "Content-Type": "application/json"}
        encoded = [_body(body, None, [], None) for body in bodies]
        ticket = self.meter.reserve(sum(costs))
        begun = time.perf_counter()
        try:
            shots = [volley.Shot(url, headers, content) for content, _, _ in encoded]
            hits = volley.fire(shots, GENERATE_SECONDS)
        finally:
            self.meter.over(ticket)
        seconds = time.perf_counter() - begun
        return [
            self._record(
                Exchange(
                    Ask("POST", url, headers, content, typed),
                    hit.status,
                    hit.headers or {},
                    hit.content,
                    seconds,
                    hit.lost,
                    self._secrets,
                )
            )
            for hit, (content, _, typed) in zip(hits, encoded, strict=True)
        ]

    def _exchange(
        self, ask: Ask, headers: Mapping[str, str], content: bytes | None, timeout: float
    ) -> httpx.Response | str:
        try:
            return self._http.request(
                ask.method,
                ask.url,
                headers=headers,
                content=content,
                timeout=httpx.Timeout(timeout, connect=5.0),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol):
            return "unreachable"
        except httpx.TimeoutException:
            return "timeout"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return "closed"

    def _keep(self, ask: Ask, found: httpx.Response | str, seconds: float) -> Exchange:
        if isinstance(found, str):
            exchange = Exchange(ask, seconds=seconds, lost=found, secrets=self._secrets)
        else:
            exchange = Exchange(
                ask,
                found.status_code,
                dict(found.headers),
                found.content,
                seconds,
                "",
                self._secrets,
            )
        return self._record(exchange)

    def _record(self, answer: Exchange) -> Exchange:
        exchange = replace(answer, at=calendar.timegm(time.gmtime()))
        with self._lock:
            kind = _kind(exchange.ask.method, exchange.ask.url)
            silent = exchange.lost in ("timeout", "unreachable")
            self._silent[kind] = self._silent[kind] + 1 if silent else 0
            self.exchanges.append(exchange)
        return exchange

    def _authorization(self, key: str | None) -> dict[str, str]:
        if key is None:
            return {}
        if not isinstance(key, Token) and key not in self.profile.keys:
            raise NotAsked(f"the profile has no keys.{key}")
        raw = key if isinstance(key, Token) else self.profile.keys[key]
        return {"Authorization": f"Bearer {raw}"}


def _kind(method: str, url: str) -> str:
    """What a request asks for, without its id."""
    return f"{method} {urlsplit(url).path.removeprefix('/api/v1/').partition('/')[0]}"


def is_loopback(url: str) -> bool:
    """Whether *url* leads to this machine."""
    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK or host.startswith("127.")


def _client(loopback: bool) -> httpx.Client:
    """A client that never sends twice.

    On loopback a connection costs nothing, and a fresh one cannot have been closed by the server.
    """
    limits = httpx.Limits(max_keepalive_connections=0 if loopback else 10, keepalive_expiry=4)
    return httpx.Client(
        limits=limits, follow_redirects=False, trust_env=not loopback, headers={"Accept": "*/*"}
    )


def _body(
    json: Any,
    form: Mapping[str, str] | None,
    files: list[tuple[str, File]],
    raw: tuple[str, bytes] | None,
    files_first: bool = False,
) -> tuple[bytes, str, tuple[str, ...]]:
    if raw is not None:
        return raw[1], raw[0], ("-d", raw[1][:500].decode("utf-8", "replace"))
    if form is not None:
        media = f"multipart/form-data; boundary={forms.BOUNDARY}"
        typed = forms.typed(form, files, files_first)
        return forms.encode(form, files, files_first), media, typed
    text = jsons.dumps(json, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass"), "application/json", ("-d", text[:3000])
