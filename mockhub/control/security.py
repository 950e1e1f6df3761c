"""Access to the control plane: a known host, the same origin and the token are required."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from mockhub._loopback import is_loopback_host
from mockhub._text import token_error
from mockhub.exceptions import ApiError, MockhubError
from mockhub.web.context import parse_bearer_token

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")  # as error messages name them
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class AccessPolicy:
    """Reject web pages of other sites, and requests without the token.

    A browser sends the requests of any page to a server on loopback. The Host header protects
    against DNS rebinding, the Origin header against cross-origin requests.

    Args:
        token: The Bearer token that is required, if any.
        hosts: The host names of the server besides those of loopback.

    Raises:
        MockhubError: if no request could send the token.
    """

    def __init__(self, token: str | None, hosts: tuple[str | None, ...]) -> None:
        if problem := token_error(token or ""):
            raise MockhubError(problem)
        self._token = token.encode() if token else None
        self._hosts = {*_LOOPBACK_HOSTS, *(host.lower() for host in hosts if host)}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise ApiError 401 or 403 if the request is not allowed."""
        self.check_origin(headers)
        if self._token is None:
            return
        token = parse_bearer_token(headers.get(b"authorization", b"")) or b""
        if not hmac.compare_digest(token, self._token):
            raise ApiError(
                _UNAUTHORIZED,
                "invalidToken",
                "Authorization: expected Bearer and the token that the server was started with",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def check_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise ApiError 403 if the request is for another host, or from another site's page."""
        host = headers.get(b"host", b"").decode("latin-1")
        name = _hostname(host) or ""
        if name not in self._hosts and not is_loopback_host(name):
            raise self._foreign_host_error(f"Host: {host[:100]!r}")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin.partition("://")[2] != host:
            raise self._foreign_host_error(f"Origin: {origin[:100]!r}")

    def _foreign_host_error(self, header: str) -> ApiError:
        known = ", ".join(sorted(self._hosts))
        message = (
            f"{header} is not this server; expected one of {known} "
            "(or start the server with --public-url)"
        )
        return ApiError(_FORBIDDEN, "foreignHost", message)


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
