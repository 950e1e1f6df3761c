"""Images of the upstream at URLs of the proxy: for the page, and for clients that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.proxy.headers import end_to_end
from mockhub.proxy.target import is_http_url
from mockhub.proxy.upstream import UpstreamClient, UpstreamExchange, UpstreamRequest
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import Operation
from mockhub.web import responses
from mockhub.web.images import ImageDownloads
from mockhub.web.serializers import IMAGES_PREFIX, ImageIdsAndUrls, Links

_MAX_GENERATIONS = 10_000  # whose image URLs are kept
_MAX_PREVIEW_BYTES = 32 * 1024 * 1024
_EXTENSIONS = ("png", "jpg", "webp")
_NOT_SENT = (b"authorization", b"cookie")


class _Image(NamedTuple):
    id: str
    url: str  # at the upstream
    path: str  # at the proxy


class ProxyImages(ImageDownloads):
    """The images that responses of the upstream named; only their URLs are kept.

    They are downloaded without the API key: their hosts are not the API's.
    """

    def __init__(self, spec: ApiSpec, upstream: UpstreamClient) -> None:
        super().__init__(spec)
        self._upstream = upstream
        self._images: dict[str, tuple[_Image, ...]] = {}  # by generation

    def add(self, generation: str, images: ImageIdsAndUrls) -> None:
        """Keep the URLs of the images of a generation, but not what is no URL."""
        self._images[generation] = tuple(
            _Image(id, url, _local_path(generation, number, url))
            for number, (id, url) in enumerate(images, 1)
            if is_http_url(url)
        )
        if len(self._images) > _MAX_GENERATIONS:
            del self._images[next(iter(self._images))]

    def of(self, generation: str) -> tuple[_Image, ...]:
        return self._images.get(generation, ())

    def match(self, path: str) -> tuple[Mapping[str, Operation], str | None] | None:
        return super().match(path) if self.upstream_url(path) else None

    def upstream_url(self, path: str) -> str | None:
        """Return the URL at the upstream of an image at the proxy."""
        generation = path.removeprefix(IMAGES_PREFIX).partition("/")[0]
        return next((image.url for image in self.of(generation) if image.path == path), None)

    async def open(self, url: str, request: UpstreamRequest) -> UpstreamExchange:
        """Send a request for an image to its own host, without the key; raises UpstreamError."""
        request.url = urlsplit(url)._replace(fragment="").geturl()
        request.headers = [field for field in request.headers if field[0] not in _NOT_SENT]
        return await self._upstream.send(request)

    async def preview(self, hub: HubBackend, path: str, width: int | None) -> responses.Response:
        """Return an image as it is, whatever the *width*; raises ApiError 404, UpstreamError."""
        url = self.upstream_url(path)
        if url is None:
            raise hub.spec.errors.error("notFound", f"There is no image at {path[:200]!r}")
        exchange = await self.open(url, UpstreamRequest("GET", url, ()))
        try:
            body = await exchange.read_all(_MAX_PREVIEW_BYTES)
        finally:
            exchange.close()
        headers = dict(end_to_end(exchange.headers))
        content_type = headers.get(b"content-type", b"application/octet-stream")
        fields = ((b"content-type", content_type), (b"content-length", b"%d" % len(body)))
        return responses.Response(exchange.status, body, fields)


class ProxyLinks(Links):
    """The URLs of generations and images at the proxy."""

    def __init__(self, spec: ApiSpec, base_url: str, known: ProxyImages) -> None:
        super().__init__(spec, base_url)
        self._known = known

    def images(self, generation: Generation, image_format: str) -> ImageIdsAndUrls:
        known = self._known.of(generation.id)
        return tuple((image.id, self.base_url + image.path) for image in known)


def _local_path(generation: str, number: int, url: str) -> str:
    digest = sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    extension = urlsplit(url).path.rpartition(".")[2].lower().replace("jpeg", "jpg")
    extension = extension if extension in _EXTENSIONS else "png"
    return f"{IMAGES_PREFIX}{generation}/{digest}/{number}.{extension}"
