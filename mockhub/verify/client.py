"""HTTP client for the implementation: it reserves the cost of requests and records exchanges."""

from __future__ import annotations

import calendar
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from mockhub._curl import Body
from mockhub._loopback import is_loopback_url
from mockhub.verify import concurrent_requests, oracle
from mockhub.verify.budget import Budget
from mockhub.verify.concurrent_requests import PendingRequest, SimultaneousRequest
from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.exchange_log import SAFE_METHODS, ExchangeLog, request_kind
from mockhub.verify.multipart import File
from mockhub.verify.outcomes import Inconclusive, Skipped
from mockhub.verify.profile import Profile
from mockhub.verify.request_bodies import EncodedBody, form_body, json_body, raw_body
from mockhub.verify.secrets import Secrets
from mockhub.verify.threads import parallel
from mockhub.verify.transient import is_transient, retry_after
from mockhub.verify.transport import RawResponse, Transport

GENERATIONS = "/api/v1/images/generations"
READ_TIMEOUT = 10.0  # for responses that wait for no image
GENERATE_TIMEOUT = oracle.generation_limit() + 10.0
MAX_ATTEMPTS = 3  # of a request whose response is a transient failure
_PAUSE = 0.1  # seconds before the second attempt
_MAX_RETRY_AFTER = 60.0  # seconds that a server may ask to wait
_MAX_STORED_BODY = 10_000  # bytes of a request body that an exchange keeps
_MAX_BALANCE = 1e15  # credits; anything above is not a balance


class RawKey(str):
    """A raw token to send that is not in the profile."""


class BudgetedClient(ExchangeLog):
    """Sends requests to the implementation within a budget, and records the exchanges.

    Attributes:
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
        super().__init__()
        self.profile = profile
        self.budget = budget
        self.read_only = read_only
        self.secrets = Secrets.of_profile(profile)
        self._credits_url = f"{profile.base_url}/api/v1/credits"
        self._max_time, self._deadline = max_time, time.monotonic() + max_time
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
        return self.send("GET", self._url(path), key=key, headers=headers, unspecified=unspecified)

    def _url(self, path: str) -> str:
        return path if "://" in path else f"{self.profile.base_url}/api/v1/{path}"

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
        self.require_responses(request_kind(method, url))
        sent_headers = {**self.profile.headers, **self._authorization(key), **(headers or {})}
        stored = content if content and len(content) < _MAX_STORED_BODY else None
        request = Request(method, url, sent_headers, stored, curl_body, unspecified, files)
        exchange = self._attempt(request, content, key, timeout or self._read_timeout, cost)
        self.record(exchange)
        if exchange.status == 200 and url == self._credits_url and key in self.profile.keys:
            self._observe_balance(key or "", exchange)
        return exchange

    def _attempt(
        self, request: Request, content: bytes | None, key: str | None, timeout: float, cost: int
    ) -> Exchange:
        """Send a request until it gets a response, if it cannot have been charged."""
        is_free = request.method in SAFE_METHODS
        for attempt in range(MAX_ATTEMPTS):
            self._require_time()
            reservation = None if is_free else self.budget.reserve(cost)
            before = self.budget.latest(self._payer(key))
            exchange = self._exchange(request, content, timeout)
            if reservation is not None:
                self._release(reservation, [exchange], key)
            if not is_transient(exchange):
                break
            if not is_free and not self._is_unpaid(key, before):
                return self.lose(exchange)
            pause = self._pause_before_retry(attempt, exchange)
            if pause is None:
                self.given_up += 1
                break
            self.transient_failures.append(exchange)
            time.sleep(pause)
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

    def _pause_before_retry(self, attempt: int, failure: Exchange) -> float | None:
        """Return the seconds to wait before a request is sent again, or None if it is not."""
        kind = request_kind(failure.request.method, failure.request.url)
        if attempt == MAX_ATTEMPTS - 1 or self.is_unavailable(kind):
            return None
        pause = max(_PAUSE * 4**attempt, retry_after(failure) or 0.0)
        return pause if pause < min(self.seconds_left, _MAX_RETRY_AFTER) else None

    def _is_unpaid(self, key: str | None, before: int | None) -> bool:
        """Return whether a request without a usable response was certainly not charged."""
        payer = key if isinstance(key, RawKey) else self._payer(key)
        read = self.get("credits", payer)
        unchanged = before is not None and self.budget.latest(payer) == before
        return read.status == 401 or (read.status == 200 and unchanged)

    def _observe_balance(self, role: str, exchange: Exchange) -> None:
        """Account for a balance; read it again if it shows an overcharge, which may be an error."""
        credits = exchange.json_object.get("credits")
        if not (isinstance(credits, int | float) and abs(credits) < _MAX_BALANCE):  # nor NaN
            return
        if self.budget.is_overcharge(role, math.floor(credits)) and role not in self._read_again:
            self._read_again.add(role)
            self.get("credits", role)
            self._read_again.discard(role)
        else:
            self.observe_balance(role, math.floor(credits), self.budget)

    def _release(self, reservation: int, exchanges: Sequence[Exchange], *keys: str | None) -> None:
        rejected = all(400 <= exchange.status < 500 for exchange in exchanges)
        self.budget.release(reservation, rejected=rejected, payers=set(map(self._payer, keys)))

    def _payer(self, key: str | None) -> str:
        """Return the role whose balance a request with *key* could change."""
        return key if key is not None and key in self.profile.keys else "valid"

    def send_simultaneously(
        self,
        requests: Sequence[SimultaneousRequest],
        *,
        ahead: int = 0,
        one_connection: bool = False,
    ) -> list[Exchange]:
        """Send requests so that they reach the server at the same moment, some *ahead* of others.

        Or one after the other, on *one_connection*.

        A GET is sent again after a transient failure; the response of a POST is then lost.
        """
        if self.read_only and any(not each.path for each in requests):
            raise Skipped("--read-only sends nothing but GETs")
        prepared = [self._prepare(each) for each in requests]
        for each in prepared:
            self.require_responses(request_kind(each.method, each.url))
        is_free = all(each.path for each in requests)
        self._require_time()
        reservation = None if is_free else self.budget.reserve(sum(each.cost for each in requests))
        started = time.perf_counter()
        pending = [
            PendingRequest(each.url, each.headers, each.content or b"", each.method)
            for each in prepared
        ]
        timeout = self._generate_timeout if any(each.body for each in requests) else 0.0
        timeout = min(timeout or self._read_timeout, self.seconds_left)
        if one_connection:
            responses = self._transport.send_in_order(prepared, timeout)
        else:
            responses = self._send_simultaneously(pending, timeout, ahead)
        exchanges = [
            self._settled(self._to_exchange(request, response, started), each)
            for each, request, response in zip(requests, prepared, responses, strict=True)
        ]
        if reservation is not None:
            self._release(reservation, exchanges, *(each.key for each in requests if each.cost))
        return exchanges

    def _prepare(self, request: SimultaneousRequest) -> Request:
        headers = {**self.profile.headers, **self._authorization(request.key)}
        unspecified = request.unspecified
        if request.path:
            headers |= request.headers
            return Request("GET", self._url(request.path), headers, unspecified=unspecified)
        url, body = f"{self.profile.base_url}{GENERATIONS}", request.body
        body = body if isinstance(body, EncodedBody) else json_body(body)
        headers |= {"Content-Type": body.media_type, **request.headers}
        return Request("POST", url, headers, body.content, body.curl_body, unspecified, body.files)

    def _settled(self, exchange: Exchange, request: SimultaneousRequest) -> Exchange:
        """Record an exchange, and what replaces it after a transient failure."""
        if is_transient(exchange) and request.path:
            self.transient_failures.append(exchange)
            return self.get(request.path, request.key, headers=request.headers)
        exchange = self.lose(exchange) if is_transient(exchange) else exchange
        self.record(exchange)
        return exchange

    def _send_simultaneously(
        self, requests: Sequence[PendingRequest], timeout: float, ahead: int
    ) -> list[RawResponse]:
        """Send requests at the same moment; through a proxy only as close as threads are."""
        if self.profile.proxy:
            send = partial(self._transport.send, timeout=timeout)
            return parallel(
                [partial(send, one.method, one.url, one.headers, one.content) for one in requests]
            )
        self._transport.rate.wait(len(requests))
        return concurrent_requests.send_simultaneously(
            requests, timeout, self._transport.tls, ahead=ahead
        )

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

    def _authorization(self, key: str | None) -> dict[str, str]:
        if key is None:
            return {}
        if not isinstance(key, RawKey) and key not in self.profile.keys:
            raise Skipped(f"the profile has no keys.{key}")
        raw = key if isinstance(key, RawKey) else self.profile.keys[key]
        return {"Authorization": f"Bearer {raw}"}
