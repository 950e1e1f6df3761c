"""The URL of the upstream, and how targets of requests are translated to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mockhub.exceptions import MockhubError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """The upstream, whose URL may have the base path of the API or another one in its place.

    Args:
        url: Such as ``https://gptimagehub.com/api/v1``; without a path, the spec's base path is
            meant.
        base_path: The base path of the spec.

    Raises:
        MockhubError: if *url* cannot be used.
    """

    url: str
    base_path: str
    secure: bool = field(init=False)
    host: str = field(init=False)
    port: int = field(init=False)
    path: str = field(init=False)
    origin: str = field(init=False)
    host_header: bytes = field(init=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
            host.encode("idna")
        except (ValueError, KeyError):
            raise MockhubError(
                f"the target {self.url!r} is no URL; expected one such as https://host/api/v1"
            ) from None
        set_field = object.__setattr__
        set_field(self, "secure", parts.scheme == "https")
        set_field(self, "host", host)
        set_field(self, "port", port)
        set_field(self, "path", parts.path.rstrip("/") or self.base_path)
        host_header = parts.netloc.encode("idna")
        set_field(self, "host_header", host_header)
        set_field(self, "origin", f"{parts.scheme}://{host_header.decode()}")

    def upstream_target(self, raw_path: bytes, query: bytes) -> bytes:
        """Return the request target at the upstream.

        The base path becomes the path of the URL; what is beside it, such as images, gets the
        prefix that the URL has before the base path, if any.
        """
        base = self.base_path.encode()
        if raw_path == base or raw_path.startswith(base + b"/"):
            path = self.path.encode() + raw_path[len(base) :]
        elif self.path.endswith(self.base_path):
            path = self.path.removesuffix(self.base_path).encode() + raw_path
        else:
            path = raw_path
        return path + b"?" + query if query else path

    def local_url(self, url: str, public_url: str) -> str | None:
        """Return the URL at the proxy of an upstream URL below the base path, else None.

        The host of *url* may be another one: the request, with its key, goes to the target.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if not parts.path.startswith(self.path + "/"):
            return None
        query = f"?{parts.query}" if parts.query else ""
        return public_url + self.base_path + parts.path[len(self.path) :] + query
