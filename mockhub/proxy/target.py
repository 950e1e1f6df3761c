"""The URL of the upstream, and how targets of requests are translated to it."""

from __future__ import annotations

from urllib.parse import urlsplit

from mockhub.exceptions import MockhubError

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target:
    """The upstream, whose URL may have the base path of the API or another one in its place.

    Args:
        url: Such as ``https://gptimagehub.com/api/v1``; without a path, the spec's base path is
            meant.
        base_path: The base path of the spec.

    Raises:
        MockhubError: if *url* cannot be used.
    """

    def __init__(self, url: str, base_path: str) -> None:
        try:
            parts = urlsplit(url)
            self.host, self.port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
            self.host.encode("idna")
        except (ValueError, KeyError):
            raise MockhubError(
                f"the target {url!r} is no URL; expected one such as https://host/api/v1"
            ) from None
        self.url, self.base_path = url, base_path
        self.secure = parts.scheme == "https"
        self.path = parts.path.rstrip("/") or base_path
        self.host_header = parts.netloc.encode("idna")
        self.origin = f"{parts.scheme}://{self.host_header.decode()}"

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
