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

from mockhub._curl import Body
from mockhub.verify import concurrent_requests, multipart
from mockhub.verify.budget import Budget
from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.multipart import File
from mockhub.verify.outcomes import Inconclusive, Skipped
from mockhub.verify.profile import Profile

GENERATIONS = "/api/v1/images/generations"
READ_TIMEOUT = 10.0  # for answers that wait for no image
GENERATE_TIMEOUT = 60.0
_MAX_UNANSWERED = 2  # requests of one kind in a row that nobody answered
_LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class RawKey(str):
    """A raw token to send that is no key of the profile."""


class BudgetedClient:
    """Sends requests to the implementation; each is kept in `exchanges`."""

    def __init__(self, profile: Profile, budget: Budget, *, read_only: bool = False) -> None:
        self.profile = profile
        self.budget = budget
        self.read_only = read_only
        self.exchanges: list[Exchange] = []
        self._secrets = {
            raw: "$MOCKHUB_KEY" if role == "valid" else f"$MOCKHUB_KEY_{role.upper()}"
            for role, raw in sorted(profile.keys.items(), key=lambda item: -len(item[1]))
        }
        self._unanswered: Counter[str] = Counter()  # by kind of request
        self._lock = Lock()
        self._http = _http_client(self.loopback)

    @property
    def loopback(self) -> bool:
        """Whether the implementation runs on this machine."""
        return is_loopback(self.profile.base_url)

    @property
    def request_count(self) -> int:
        return len(self.exchanges)

    def redact(self, raw: str, name: str) -> None:
        """Show *raw* as *name* wherever it occurs in evidence."""
        self._secrets[raw] = name

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, key: str | None = "valid", **options: Any) -> Exchange:
        """GET a path below /api/v1, or a whole address; *key* is a role, a `Token`, or None."""
        url = path if "://" in path else f"{self.profile.base_url}/api/v1/{path}"
        return self.send("GET", url, key=key, **options)

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
        **options: Any,
    ) -> Exchange:
        """POST a generation as JSON, as a form, or as raw (content type, bytes).

        *cost* is the worst case in credits, which the meter holds until the balances are read.
        """
        content, media_type, curl_body = _encode_body(
            json, form, [("reference_image", file) for file in files], raw, files_first
        )
        headers = {"Content-Type": media_type, **options.pop("headers", {})}
        reservation = self.budget.reserve(cost)
        try:
            return self.send(
                "POST",
                f"{self.profile.base_url}{options.pop('path', GENERATIONS)}",
                key=key,
                headers=headers,
                content=content,
                curl_body=curl_body,
                timeout=GENERATE_TIMEOUT,
                **options,
            )
        finally:
            self.budget.release(reservation)

    def send(
        self,
        method: str,
        url: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        curl_body: Body | None = None,
        unspecified: bool = False,
        timeout: float = READ_TIMEOUT,
    ) -> Exchange:
        """Send one request, once, and keep what was exchanged."""
        if self.read_only and method != "GET":
            raise Skipped("--read-only sends nothing but GETs")
        if self._unanswered[_request_kind(method, url)] >= _MAX_UNANSWERED:
            raise Inconclusive(
                f"not sent: the server no longer answers {_request_kind(method, url)}"
            )
        sent_headers = {**self._authorization(key), **(headers or {})}
        request = Request(
            method,
            url,
            sent_headers,
            content if content and len(content) < 10_000 else None,
            curl_body,
            unspecified,
        )
        started = time.perf_counter()
        result = self._request(request, sent_headers, content, timeout)
        return self._to_exchange(request, result, time.perf_counter() - started)

    def post_simultaneously(
        self, bodies: Sequence[Any], *, key: str, costs: Sequence[int]
    ) -> list[Exchange]:
        """POST JSON *bodies* so that they arrive at the same moment; *costs* as in `post`."""
        if self.read_only:
            raise Skipped("--read-only sends nothing but GETs")
        url = f"{self.profile.base_url}{GENERATIONS}"
        headers = {**self._authorization(key), "Content-Type": "application/json"}
        encoded = [_encode_body(body, None, [], None) for body in bodies]
        reservation = self.budget.reserve(sum(costs))
        started = time.perf_counter()
        try:
            requests = [
                concurrent_requests.PendingRequest(url, headers, content)
                for content, _, _ in encoded
            ]
            responses = concurrent_requests.send_simultaneously(requests, GENERATE_TIMEOUT)
        finally:
            self.budget.release(reservation)
        seconds = time.perf_counter() - started
        return [
            self._record(
                Exchange(
                    Request("POST", url, headers, content, curl_body),
                    response.status,
                    response.headers or {},
                    response.content,
                    seconds,
                    response.error,
                    self._secrets,
                )
            )
            for response, (content, _, curl_body) in zip(responses, encoded, strict=True)
        ]

    def _request(
        self, request: Request, headers: Mapping[str, str], content: bytes | None, timeout: float
    ) -> httpx.Response | str:
        try:
            return self._http.request(
                request.method,
                request.url,
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

    def _to_exchange(
        self, request: Request, result: httpx.Response | str, seconds: float
    ) -> Exchange:
        if isinstance(result, str):
            exchange = Exchange(request, seconds=seconds, error=result, secrets=self._secrets)
        else:
            exchange = Exchange(
                request,
                result.status_code,
                dict(result.headers),
                result.content,
                seconds,
                "",
                self._secrets,
            )
        return self._record(exchange)

    def _record(self, exchange_without_time: Exchange) -> Exchange:
        exchange = replace(exchange_without_time, received_at=calendar.timegm(time.gmtime()))
        with self._lock:
            kind = _request_kind(exchange.request.method, exchange.request.url)
            unanswered = exchange.error in ("timeout", "unreachable")
            self._unanswered[kind] = self._unanswered[kind] + 1 if unanswered else 0
            self.exchanges.append(exchange)
        return exchange

    def _authorization(self, key: str | None) -> dict[str, str]:
        if key is None:
            return {}
        if not isinstance(key, RawKey) and key not in self.profile.keys:
            raise Skipped(f"the profile has no keys.{key}")
        raw = key if isinstance(key, RawKey) else self.profile.keys[key]
        return {"Authorization": f"Bearer {raw}"}


def _request_kind(method: str, url: str) -> str:
    """What a request asks for, without its id."""
    return f"{method} {urlsplit(url).path.removeprefix('/api/v1/').partition('/')[0]}"


def is_loopback(url: str) -> bool:
    """Whether *url* leads to this machine."""
    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK_HOSTS or host.startswith("127.")


def _http_client(loopback: bool) -> httpx.Client:
    """A client that never sends twice.

    On loopback a connection costs nothing, and a fresh one cannot have been closed by the server.
    """
    limits = httpx.Limits(max_keepalive_connections=0 if loopback else 10, keepalive_expiry=4)
    return httpx.Client(
        limits=limits, follow_redirects=False, trust_env=not loopback, headers={"Accept": "*/*"}
    )


def _encode_body(
    json: Any,
    form: Mapping[str, str] | None,
    files: list[tuple[str, File]],
    raw: tuple[str, bytes] | None,
    files_first: bool = False,
) -> tuple[bytes, str, Body]:
    if raw is not None:
        return raw[1], raw[0], raw[1][:500].decode("utf-8", "replace")
    if form is not None:
        media_type = f"multipart/form-data; boundary={multipart.BOUNDARY}"
        curl_body = multipart.curl_fields(form, files, files_first)
        return multipart.encode_form(form, files, files_first), media_type, curl_body
    text = jsons.dumps(json, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass"), "application/json", text[:3000]
