"""The URL of the upstream, and how targets of requests are translated to it."""

from __future__ import annotations

from urllib.parse import urlsplit

from mockhub.exceptions import MockhubError

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        return parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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
        if not is_http_url(url):
            raise MockhubError(
                f"the target {url!r} is no URL; expected one such as https://host/api/v1"
            )
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        self.url, self.base_path = url, base_path
        self.secure = parts.scheme == "https"
        self.path = parts.path.rstrip("/") or base_path
        self.origin = f"{parts.scheme}://{parts.netloc.encode('idna').decode()}"
        is_at_end = self.path.endswith(base_path)
        self._prefix = self.path.removesuffix(base_path) if is_at_end else ""  # of other paths

    @property
    def public_url(self) -> str:
        """The URL for people, without a password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def upstream_url(self, path: str, query: str) -> str:
        """Return the URL at the upstream.

        The base path becomes the path of the URL; what is beside it, such as images, gets the
        prefix that the URL has before the base path, if any.
        """
        base = self.base_path
        if path == base or path.startswith(base + "/"):
            path = self.path + path.removeprefix(base)
        else:
            path = self._prefix + path
        return self.origin + path + (f"?{query}" if query else "")

    def local_url(self, url: str, public_url: str) -> str:
        """Return the URL at the proxy of an upstream URL, or the same if it is another one.

        The host of a URL below the base path may be another one: the request, with its key, goes
        to the target.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            return url
        if parts.path.startswith(self.path + "/"):
            path = self.base_path + parts.path.removeprefix(self.path)
        elif url.startswith(f"{self.origin}{self._prefix}/"):
            path = parts.path.removeprefix(self._prefix)
        else:
            return url
        return public_url + parts._replace(scheme="", netloc="", path=path).geturl()

    def local_location(self, location: bytes, public_url: str) -> bytes:
        """Return the Location header that leads to the proxy, if it names the upstream's origin."""
        url = location.decode("latin-1")
        is_upstream = url.startswith(self.origin + "/")
        return self.local_url(url, public_url).encode("latin-1") if is_upstream else location
