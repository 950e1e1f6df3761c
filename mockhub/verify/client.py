"""HTTP client for the implementation: it reserves the cost of requests and records exchanges."""

from __future__ import annotations

import calendar
import json as jsons
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from threading import Lock
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from mockhub import _curl
from mockhub._curl import Body
from mockhub._loopback import is_loopback_url
from mockhub.verify import concurrent_requests, multipart
from mockhub.verify.budget import Budget
from mockhub.verify.concurrent_requests import PendingRequest, RawResponse
from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.multipart import File
from mockhub.verify.outcomes import Inconclusive, Skipped
from mockhub.verify.profile import Profile
from mockhub.verify.secrets import Secrets

GENERATIONS = "/api/v1/images/generations"
READ_TIMEOUT = 10.0  # for responses that wait for no image
GENERATE_TIMEOUT = 60.0
_MAX_UNANSWERED = 2  # consecutive requests of one kind without a response
_MAX_STORED_BODY = 10_000  # bytes of a request body that an exchange keeps
_MAX_CURL_BODY = 20_000  # bytes of a body in a curl command; it reads a longer one from a file
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # which never cost credits
_MAX_BALANCE = 1e15  # credits; anything above is not a balance


class RawKey(str):
    """A raw token to send that is not in the profile."""


class _EncodedBody(NamedTuple):
    content: bytes
    media_type: str
    curl_body: Body
    files: Mapping[str, bytes] = MappingProxyType({})


class BudgetedClient:
    """Sends requests to the implementation within a budget.

    Attributes:
        exchanges: Every request that was sent, with its response, in order.
        secrets: Removes keys from what reports show.
    """

    def __init__(self, profile: Profile, budget: Budget, *, read_only: bool = False) -> None:
        self.profile = profile
        self.budget = budget
        self.read_only = read_only
        self.exchanges: list[Exchange] = []
        self.secrets = Secrets(
            {
                raw: "$MOCKHUB_KEY" if role == "valid" else f"$MOCKHUB_KEY_{role.upper()}"
                for role, raw in profile.keys.items()
            }
        )
        if password := urlsplit(profile.base_url).password:
            self.secrets.register(password, "$MOCKHUB_PASSWORD")
        self._credits_url = f"{profile.base_url}/api/v1/credits"
        self._unanswered: Counter[str] = Counter()  # by kind of request
        self._lock = Lock()
        self._http = _http_client(self.loopback)

    @property
    def loopback(self) -> bool:
        """Whether the implementation runs on this machine."""
        return is_loopback_url(self.profile.base_url)

    def close(self) -> None:
        self._http.close()

    def get(
        self,
        path: str,
        key: str | None = "valid",
        *,
        headers: Mapping[str, str] | None = None,
        unspecified: bool = False,
    ) -> Exchange:
        """GET a path below /api/v1, or an absolute URL; the options are those of `send`."""
        url = path if "://" in path else f"{self.profile.base_url}/api/v1/{path}"
        return self.send("GET", url, key=key, headers=headers, unspecified=unspecified)

    def post(
        self,
        json: object = None,
        *,
        form: Mapping[str, str] | None = None,
        files: Iterable[File] = (),
        files_first: bool = False,
        raw: tuple[str, bytes] | None = None,
        key: str | None = "valid",
        headers: Mapping[str, str] | None = None,
        unspecified: bool = False,
        cost: int = 0,
    ) -> Exchange:
        """POST a generation as JSON, as a form, or as raw (content type, bytes).

        *cost* is the worst case in credits, which stays reserved until the balances are read. The
        other options are those of `send`.
        """
        if raw is not None:
            body = _raw_body(*raw)
        elif form is not None:
            body = _form_body(form, files, files_first)
        else:
            body = _json_body(json)
        return self.send(
            "POST",
            f"{self.profile.base_url}{GENERATIONS}",
            key=key,
            headers={"Content-Type": body.media_type, **(headers or {})},
            content=body.content,
            curl_body=body.curl_body,
            files=body.files,
            unspecified=unspecified,
            timeout=GENERATE_TIMEOUT,
            cost=cost,
        )

    def send(
        self,
        method: str,
        url: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        curl_body: Body | None = None,
        files: Mapping[str, bytes] = MappingProxyType({}),
        unspecified: bool = False,
        timeout: float = READ_TIMEOUT,
        cost: int = 0,
    ) -> Exchange:
        """Send one request, without retries, and record the exchange.

        Args:
            key: A role of the profile, a `RawKey`, or None for no Authorization header.
            headers: Further headers.
            curl_body: The body for the curl command.
            files: The files that the curl command reads, by name.
            unspecified: Whether the documentation leaves open how such a request is answered.
            timeout: Seconds without a response.
            cost: The worst case in credits.

        Raises:
            Inconclusive: if requests of this kind no longer get a response.
            Skipped: if the profile has no such key, does not allow the method, or a key would leave
                this machine in a URL.
        """
        if not self.loopback and self.secrets.occur_in(url):
            raise Skipped("not sent: a URL with a key in it does not leave this machine")
        if self.read_only and method != "GET":
            raise Skipped("--read-only sends nothing but GETs")
        kind = _request_kind(method, url)
        if self._unanswered[kind] >= _MAX_UNANSWERED:
            raise Inconclusive(f"not sent: the server no longer responds to {kind}")
        sent_headers = {**self._authorization(key), **(headers or {})}
        stored = content if content and len(content) < _MAX_STORED_BODY else None
        request = Request(method, url, sent_headers, stored, curl_body, unspecified, files)
        reservation = None if method in _SAFE_METHODS else self.budget.reserve(cost)
        started = time.perf_counter()
        response = self._request(request, content, timeout)
        exchange = self._record(request, response, started)
        if reservation is not None:
            self._release(reservation, [exchange], key)
        elif (
            exchange.status == 200 and url == self._credits_url and key and key in self.profile.keys
        ):
            credits = exchange.json_object.get("credits")
            if isinstance(credits, int | float) and abs(credits) < _MAX_BALANCE:
                self.budget.observe(key, math.floor(credits))
        return exchange

    def _release(self, reservation: int, exchanges: Sequence[Exchange], key: str | None) -> None:
        rejected = all(400 <= exchange.status < 500 for exchange in exchanges)
        payer = key if key in self.profile.keys else "valid"
        self.budget.release(reservation, rejected=rejected, payer=payer)

    def post_simultaneously(
        self, bodies: Sequence[object], *, key: str, costs: Sequence[int]
    ) -> list[Exchange]:
        """POST JSON *bodies* so that they arrive at the same moment; *costs* as in `post`."""
        if self.read_only:
            raise Skipped("--read-only sends nothing but GETs")
        url = f"{self.profile.base_url}{GENERATIONS}"
        headers = {**self._authorization(key), "Content-Type": "application/json"}
        encoded = [_json_body(body) for body in bodies]
        reservation = self.budget.reserve(sum(costs))
        started = time.perf_counter()
        requests = [PendingRequest(url, headers, body.content) for body in encoded]
        responses = concurrent_requests.send_simultaneously(requests, GENERATE_TIMEOUT)
        exchanges = [
            self._record(
                Request("POST", url, headers, body.content, body.curl_body, files=body.files),
                response,
                started,
            )
            for response, body in zip(responses, encoded, strict=True)
        ]
        self._release(reservation, exchanges, key)
        return exchanges

    def _request(self, request: Request, content: bytes | None, timeout: float) -> RawResponse:
        try:
            response = self._http.request(
                request.method,
                request.url,
                headers=request.headers,
                content=content,
                timeout=httpx.Timeout(timeout, connect=5.0),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol):
            return RawResponse(error="unreachable")
        except httpx.TimeoutException:
            return RawResponse(error="timeout")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return RawResponse(error="closed")
        return RawResponse(response.status_code, dict(response.headers), response.content)

    def _record(self, request: Request, response: RawResponse, started: float) -> Exchange:
        exchange = Exchange(
            request,
            response.status,
            response.headers,
            response.content,
            time.perf_counter() - started,
            response.error,
            self.secrets,
            started=started,
            received_at=calendar.timegm(time.gmtime()),
        )
        kind = _request_kind(request.method, request.url)
        with self._lock:
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
    """Return the method and the resource, without an id."""
    return f"{method} {urlsplit(url).path.removeprefix('/api/v1/').partition('/')[0]}"


def _http_client(loopback: bool) -> httpx.Client:
    """Return a client that never sends a request twice.

    On loopback each request opens a connection: that is cheap, and the server cannot have closed it
    already.
    """
    limits = httpx.Limits(max_keepalive_connections=0 if loopback else 10, keepalive_expiry=4)
    return httpx.Client(
        limits=limits, follow_redirects=False, trust_env=not loopback, headers={"Accept": "*/*"}
    )


def _json_body(value: object) -> _EncodedBody:
    text = jsons.dumps(value, ensure_ascii=False)
    return _raw_body("application/json", text.encode("utf-8", "surrogatepass"))


def _form_body(
    fields: Mapping[str, str], uploads: Iterable[File], files_first: bool
) -> _EncodedBody:
    files = [("reference_image", file) for file in uploads]
    return _EncodedBody(
        multipart.encode_form(fields, files, files_first),
        f"multipart/form-data; boundary={multipart.BOUNDARY}",
        multipart.curl_fields(fields, files, files_first),
        {file.name: file.content for _, file in files},
    )


def _raw_body(media_type: str, content: bytes) -> _EncodedBody:
    if len(content) > _MAX_CURL_BODY:
        name = f"body-{sha256(content).hexdigest()[:8]}"
        return _EncodedBody(content, media_type, _curl.File(name), {name: content})
    return _EncodedBody(content, media_type, content.decode("utf-8", "surrogateescape"))
