"""A client of the control plane on urllib, so that it needs no extra dependency."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from mockhub._text import token_error
from mockhub.exceptions import MockhubError
from mockhub.proxy.target import is_http_url

Json = dict[str, Any]

_PREFIX = "/_mockhub"
_HEADER = "X-Mockhub-Control"  # of all responses of a control plane
_NOT_FOUND = 404


@dataclass(frozen=True)
class ControlClient:
    """The control plane of one server, and one of its hubs.

    Attributes:
        url: The server's address, such as ``http://127.0.0.1:8080``.
        hub: The name of the hub.
        token: The server's ``--control-token``, if it has one.
        timeout: The longest time without a response, in seconds.
    """

    url: str
    hub: str
    token: str | None
    timeout: float = 30

    def request(self, method: str, route: str, body: object = None, **query: object) -> Any:
        """Send a request and return the decoded JSON, or the text of another media type.

        Raises:
            MockhubError: with the server's own message, or the reason why there is no response.
        """
        request = self._build_request(method, route, body, query)
        try:
            # Ignore proxies: the server is on this machine or named on purpose.
            opener = build_opener(ProxyHandler({}), _NoRedirects)
            with opener.open(request, timeout=self.timeout) as response:
                if _HEADER not in response.headers:
                    raise MockhubError(_no_control_plane(request.full_url))
                return self._decode(response.headers.get_content_type(), response.read())
        except HTTPError as error:
            raise MockhubError(_error_message(error)) from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise MockhubError(
                f"no mockhub server at {self.url}: {reason}; start one with `mockhub serve`, "
                "or give its address with --url"
            ) from None

    def hub_request(self, method: str, route: str, body: object = None, **query: object) -> Any:
        """Send a request to a path below the hub's own; raises as `request` does."""
        return self.request(method, url_path("hubs", self.hub) + route, body, **query)

    def _decode(self, media_type: str, raw: bytes) -> Any:
        try:
            return json.loads(raw) if media_type == "application/json" else raw.decode()
        except ValueError:
            raise MockhubError(
                f"{self.url} responded with invalid {media_type}: is it a mockhub server?"
            ) from None

    def _build_request(
        self, method: str, route: str, body: object, query: dict[str, object]
    ) -> Request:
        if not (self.url.isascii() and is_http_url(self.url)):
            raise MockhubError(f"--url {self.url!r}: expected one such as http://127.0.0.1:8080")
        query_params = {name: value for name, value in query.items() if value is not None}
        url = f"{self.url.rstrip('/')}{_PREFIX}{route}" + (
            f"?{urlencode(query_params)}" if query_params else ""
        )
        request = Request(url, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.token:
            if problem := token_error(self.token):
                raise MockhubError(problem)
            request.add_header("Authorization", f"Bearer {self.token}")
        return request


class _NoRedirects(HTTPRedirectHandler):
    """Makes a redirect an error: urllib would send the token to another host."""

    def redirect_request(self, *args: object) -> None:
        return None


def url_path(*parts: str) -> str:
    """Join *parts* to a path, percent-encoded."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _no_control_plane(url: str) -> str:
    address = url.partition(_PREFIX)[0]
    return (
        f"{address} has no control plane: --url is not the root of a mockhub server, such as "
        "http://127.0.0.1:8080, or the server was started with --no-control or --mutant"
    )


def _error_message(error: HTTPError) -> str:
    if location := error.headers.get("Location"):
        return f"{error.url} redirects to {location}, which is not followed; give --url"
    if error.code == _NOT_FOUND and _HEADER not in error.headers:
        return _no_control_plane(error.url)
    raw = error.read()
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url} responded with {error.code} {error.reason}: is it a mockhub server?"
