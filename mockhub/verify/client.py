"""HTTP client for the implementation: it reserves the cost of requests and records exchanges."""

from __future__ import annotations

import calendar
import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from types import MappingProxyType
from urllib.parse import urlsplit

from mockhub._curl import Body
from mockhub._loopback import is_loopback_url
from mockhub.verify import concurrent_requests, oracle
from mockhub.verify.budget import Budget
from mockhub.verify.concurrent_requests import PendingRequest
from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.multipart import File
from mockhub.verify.outcomes import Inconclusive, Skipped
from mockhub.verify.profile import Profile
from mockhub.verify.request_bodies import form_body, json_body, raw_body
from mockhub.verify.secrets import Secrets
from mockhub.verify.transient import is_transient, retry_after
from mockhub.verify.transport import RawResponse, Transport

GENERATIONS = "/api/v1/images/generations"
READ_TIMEOUT = 10.0  # for responses that wait for no image
GENERATE_TIMEOUT = oracle.generation_limit() + 10.0
MAX_ATTEMPTS = 3  # of a request whose response is a transient failure
_PAUSE = 0.1  # seconds before the second attempt
_MAX_RETRY_AFTER = 60.0  # seconds that a server may ask to wait
_MAX_UNANSWERED = 2  # consecutive requests of one kind without a response
_MAX_LOST = 3  # consecutive POSTs that were charged without a response
_MAX_KEPT_RESPONSE = 1_000_000  # bytes of each response that are kept for the report
_MAX_STORED_BODY = 10_000  # bytes of a request body that an exchange keeps
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie", re.IGNORECASE)
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # which never cost credits
_MAX_BALANCE = 1e15  # credits; anything above is not a balance


class RawKey(str):
    """A raw token to send that is not in the profile."""


class BudgetedClient:
    """Sends requests to the implementation within a budget.

    Attributes:
        exchanges: Every request that was sent, with its response, in order.
        transient_failures: Responses after which a request was sent again; not in `exchanges`.
        lost: Requests that were charged, or may have been, and whose response was lost.
        idle_changes: Descriptions of balances that changed while nothing was sent.
        secrets: Removes keys from what reports show.
    """

    def __init__(
        self,
        profile: Profile,
        budget: Budget,
        *,
        read_only: bool = False,
        max_time: float = math.inf,
    ) -> None:
        self.profile = profile
        self.budget = budget
        self.read_only = read_only
        self.exchanges: list[Exchange] = []
        self.transient_failures: list[Exchange] = []
        self.lost: list[Exchange] = []
        self.idle_changes: list[str] = []
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
        self._lost_in_a_row: Counter[str] = Counter()
        self._idle: set[str] = set()  # roles whose balance was read after the last POST
        self._unavailable: set[str] = set()  # kinds of requests whose last attempts all failed
        self._lock = Lock()
        self._max_time, self._deadline = max_time, time.monotonic() + max_time
        for name, value in profile.headers.items():
            if _SECRET_HEADER.search(name):
                variable = re.sub(r"\W", "_", name.upper())
                self.secrets.register(value, f"$MOCKHUB_KEY_{variable}")
        self._transport = Transport(profile)

    @property
    def loopback(self) -> bool:
        """Whether the implementation runs on this machine."""
        return is_loopback_url(self.profile.base_url)

    @property
    def _read_timeout(self) -> float:
        return self.profile.timeouts.read or READ_TIMEOUT

    @property
    def _generate_timeout(self) -> float:
        return self.profile.timeouts.generation or GENERATE_TIMEOUT

    @property
    def seconds_left(self) -> float:
        """The seconds until `--max-time`."""
        return self._deadline - time.monotonic()

    def close(self) -> None:
        self._transport.close()

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
            body = raw_body(*raw)
        elif form is not None:
            body = form_body(form, files, files_first)
        else:
            body = json_body(json)
        return self.send(
            "POST",
            f"{self.profile.base_url}{GENERATIONS}",
            key=key,
            headers={"Content-Type": body.media_type, **(headers or {})},
            content=body.content,
            curl_body=body.curl_body,
            files=body.files,
            unspecified=unspecified,
            timeout=self._generate_timeout,
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
        timeout: float | None = None,
        cost: int = 0,
    ) -> Exchange:
        """Send a request, and record the exchange.

        It is sent again after a transient failure, but only if it cannot have been charged.

        Args:
            key: A role of the profile, a `RawKey`, or None for no Authorization header.
            headers: Further headers.
            curl_body: The body for the curl command.
            files: The files that the curl command reads, by name.
            unspecified: Whether the documentation leaves open how such a request is answered.
            timeout: Seconds without a response; by default those of the profile.
            cost: The worst case in credits.

        Raises:
            Inconclusive: if requests of this kind no longer get a response, or no time is left.
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
        sent_headers = {**self.profile.headers, **self._authorization(key), **(headers or {})}
        stored = content if content and len(content) < _MAX_STORED_BODY else None
        request = Request(method, url, sent_headers, stored, curl_body, unspecified, files)
        for attempt in range(MAX_ATTEMPTS):
            self._require_time()
            reservation = None if method in _SAFE_METHODS else self.budget.reserve(cost)
            before = self.budget.latest(self._payer(key))
            exchange = self._exchange(request, content, timeout or self._read_timeout)
            if reservation is not None:
                self._release(reservation, [exchange], key)
            if not is_transient(exchange):
                break
            if reservation is not None and not self._is_unpaid(key, before):
                exchange = self._lose(kind, exchange)
                break
            pause = self._pause_before_retry(kind, attempt, exchange)
            if pause is None:
                break
            self.transient_failures.append(exchange)
            time.sleep(pause)
        self._record(kind, exchange)
        if exchange.status == 200 and url == self._credits_url and key in self.profile.keys:
            self._observe_balance(key or "", exchange)
        return exchange

    def _require_time(self) -> None:
        if self.seconds_left <= 0:
            raise Inconclusive(f"not sent: the run has taken {self._max_time:g} s (--max-time)")

    def _exchange(self, request: Request, content: bytes | None, timeout: float) -> Exchange:
        started = time.perf_counter()
        timeout = min(timeout, self.seconds_left)
        response = self._transport.send(
            request.method, request.url, request.headers, content, timeout
        )
        return self._to_exchange(request, response, started)

    def _pause_before_retry(self, kind: str, attempt: int, failure: Exchange) -> float | None:
        """Return the seconds to wait before a request is sent again, or None if it is not."""
        if attempt == MAX_ATTEMPTS - 1 or kind in self._unavailable:
            return None
        pause = max(_PAUSE * 4**attempt, retry_after(failure) or 0.0)
        return pause if pause < min(self.seconds_left, _MAX_RETRY_AFTER) else None

    def _is_unpaid(self, key: str | None, before: int | None) -> bool:
        """Return whether a request without a usable response was certainly not charged."""
        payer = key if isinstance(key, RawKey) else self._payer(key)
        read = self.get("credits", payer)
        unchanged = before is not None and self.budget.latest(payer) == before
        return read.status == 401 or (read.status == 200 and unchanged)

    def _lose(self, kind: str, exchange: Exchange) -> Exchange:
        """Mark a response as lost, unless they all are: then it is what the server does."""
        self._lost_in_a_row[kind] += 1
        if self._lost_in_a_row[kind] >= _MAX_LOST:
            return exchange
        lost = replace(exchange, status=0, error="lost")
        self.lost.append(lost)
        return lost

    def _observe_balance(self, role: str, exchange: Exchange) -> None:
        credits = exchange.json_object.get("credits")
        if not isinstance(credits, int | float) or abs(credits) >= _MAX_BALANCE:
            return
        before, after = self.budget.latest(role), math.floor(credits)
        if role in self._idle and before != after and not self.budget.reserved:
            self.idle_changes.append(f"the balance of {role} went from {before} to {after}")
        self._idle.add(role)
        self.budget.observe(role, after)

    def _release(self, reservation: int, exchanges: Sequence[Exchange], key: str | None) -> None:
        rejected = all(400 <= exchange.status < 500 for exchange in exchanges)
        self.budget.release(reservation, rejected=rejected, payer=self._payer(key))

    def _payer(self, key: str | None) -> str:
        """Return the role whose balance a request with *key* could change."""
        return key if key is not None and key in self.profile.keys else "valid"

    def post_simultaneously(
        self, bodies: Sequence[object], *, key: str, costs: Sequence[int]
    ) -> list[Exchange]:
        """POST JSON *bodies* so that they arrive at the same moment; *costs* as in `post`."""
        if self.read_only:
            raise Skipped("--read-only sends nothing but GETs")
        url = f"{self.profile.base_url}{GENERATIONS}"
        headers = {
            **self.profile.headers,
            **self._authorization(key),
            "Content-Type": "application/json",
        }
        encoded = [json_body(body) for body in bodies]
        reservation = self.budget.reserve(sum(costs))
        self._require_time()
        started = time.perf_counter()
        requests = [PendingRequest(url, headers, body.content) for body in encoded]
        responses = self._send_simultaneously(
            requests, min(self._generate_timeout, self.seconds_left)
        )
        exchanges = [
            self._to_exchange(
                Request("POST", url, headers, body.content, body.curl_body, files=body.files),
                response,
                started,
            )
            for response, body in zip(responses, encoded, strict=True)
        ]
        kind = _request_kind("POST", url)
        exchanges = [self._lose(kind, one) if is_transient(one) else one for one in exchanges]
        for exchange in exchanges:
            self._record(kind, exchange)
        self._release(reservation, exchanges, key)
        return exchanges

    def _send_simultaneously(
        self, requests: Sequence[PendingRequest], timeout: float
    ) -> list[RawResponse]:
        """Send requests at the same moment; through a proxy only as close as threads are."""
        if self.profile.proxy:
            send = self._transport.send
            calls = [
                partial(send, "POST", each.url, each.headers, each.content, timeout)
                for each in requests
            ]
            return concurrent_requests.parallel(calls)
        self._transport.rate.wait(len(requests))
        return concurrent_requests.send_simultaneously(requests, timeout, self._transport.tls)

    def _to_exchange(self, request: Request, response: RawResponse, started: float) -> Exchange:
        return Exchange(
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

    def _record(self, kind: str, exchange: Exchange) -> None:
        unanswered = exchange.error in ("timeout", "unreachable")
        with self._lock:
            self._unanswered[kind] = self._unanswered[kind] + 1 if unanswered else 0
            if is_transient(exchange):
                self._unavailable.add(kind)
            elif exchange.error != "lost":
                self._unavailable.discard(kind)
                self._lost_in_a_row[kind] = 0
            if len(exchange.content) > _MAX_KEPT_RESPONSE:
                exchange = replace(exchange, content=exchange.content[:_MAX_KEPT_RESPONSE])
            self.exchanges.append(exchange)
            if exchange.request.method not in _SAFE_METHODS:
                self._idle.clear()

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
