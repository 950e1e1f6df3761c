"""Send one HTTP request: within a deadline, and with a limit on the size of the response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx

from mockhub.verify.connection import RateLimiter, http_client, tls_context
from mockhub.verify.exchange import Request
from mockhub.verify.profile import Profile
from mockhub.verify.threads import submit

MAX_RESPONSE_SIZE = 64 * 1024 * 1024  # bytes that are read of a response


@dataclass(frozen=True)
class RawResponse:
    """A response, or the reason why there is none (as in `Exchange.error`)."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    error: str = ""


def with_deadline(seconds: float, call: Callable[[], RawResponse]) -> RawResponse:
    """Return the result of *call*, or a timeout: a server that sends byte by byte ends it too.

    The thread that still waits then does not keep the process alive.
    """
    try:
        return submit(call).result(seconds)
    except TimeoutError:
        return RawResponse(error="timeout")


class Transport:
    """Sends requests over HTTP, each exactly once.

    On loopback each request opens a connection: that is cheap, and the server cannot have closed it
    already.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._http = http_client(profile)
        self.tls = tls_context(profile)
        self.rate = RateLimiter(profile.rate)
        self._connect_timeout = profile.timeouts.connect or 5.0

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        timeout: float,
    ) -> RawResponse:
        """Return the complete response, or after *timeout* seconds that there is none."""
        self.rate.wait()
        return with_deadline(
            timeout, lambda: self._send(self._http, method, url, headers, content, timeout)
        )

    def send_in_order(self, requests: Sequence[Request], timeout: float) -> list[RawResponse]:
        """Send each request after the response to the one before, on the same connection."""
        self.rate.wait(len(requests))
        with http_client(self._profile, keep_alive=True) as http:
            send = partial(self._send, http, timeout=timeout)
            calls = [
                partial(send, one.method, one.url, one.headers, one.content) for one in requests
            ]
            return [with_deadline(timeout, call) for call in calls]

    def _send(
        self,
        http: httpx.Client,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        timeout: float,
    ) -> RawResponse:
        try:
            with http.stream(
                method,
                url,
                headers=dict(headers),
                content=content,
                timeout=httpx.Timeout(timeout, connect=self._connect_timeout),
            ) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_RESPONSE_SIZE:
                        return RawResponse(error="too large")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            return RawResponse(error="untrusted" if is_untrusted else "unreachable")
        except httpx.TimeoutException:
            return RawResponse(error="timeout")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return RawResponse(error="closed")
        return RawResponse(response.status_code, dict(response.headers), bytes(body))
