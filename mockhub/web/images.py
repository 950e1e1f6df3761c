"""Download images: they are rendered when they are fetched, with ETag, HEAD and ranges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.images.image_spec import ImageSpec, image_spec
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.operations import Operation, OperationId
from mockhub.web import responses, serializers

if TYPE_CHECKING:
    from mockhub.images.cache import ImageCache

_PATH = re.compile(r"/images/([^/]+)/([0-9a-f]+)/([1-9][0-9]?)\.(png|jpg|webp)")
_RANGE = re.compile(rb"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
_MAX_RANGE_DIGITS = 18  # further digits of a range are ignored: no image is that long
_FORMATS_BY_EXTENSION = {extension: name for name, extension in serializers.FILE_EXTENSIONS.items()}


class ImageDownloads:
    """The operation `get_image` of every hub, which needs no API key (GEN-10)."""

    def __init__(self, spec: ApiSpec) -> None:
        operation = Operation(
            id=OperationId.GET_IMAGE,
            method="GET",
            path="/images/{generation}/{digest}/{file}",
            requires_auth=False,
            parameters={},
            bodies={},
            files={},
            responses=spec.operations[OperationId.GET_GENERATION].responses,  # its errors
            examples={},
            timeout_seconds=None,
        )
        self._methods = {operation.method: operation}
        self._cache: ImageCache | None = None

    def match(self, path: str) -> tuple[Mapping[str, Operation], str | None] | None:
        """Return the operation by method if *path* may be one of an image, as the router does."""
        match = _PATH.fullmatch(path)
        return (self._methods, match[1]) if match else None

    def find(self, hub: HubBackend, path: str) -> tuple[Generation, ImageSpec]:
        """Return the image at a path, and its generation; raises ApiError 404."""
        match, problem = _PATH.fullmatch(path), ""
        id, digest, number, extension = match.groups() if match else ("", "", "", "")
        generation = hub.generations.get(id)
        if generation is not None and int(number) <= generation.delivered:
            image_format = _FORMATS_BY_EXTENSION[extension]
            image = image_spec(generation, int(number) - 1, format=image_format)
            if digest == image.url_digest():
                return generation, image
            problem = f" any more: since a restart or a reset {id} is another generation"
        message = f"There is no image at {path[:200]!r}{problem}"
        raise hub.spec.errors.error("notFound", message)

    async def response(
        self,
        image: ImageSpec,
        method: str,
        headers: Mapping[bytes, bytes],
        *,
        width: int | None = None,
    ) -> responses.Response:
        """Return 200, 304 if the client has the image already, or 206 or 416 for a range.

        With a *width* smaller than the image's, it is drawn at that width.
        """
        width = width if width is not None and width < image.width else None
        etag = f'"{image.entity_tag()}{f"-{width}" if width else ""}"'.encode()
        common = (
            (b"content-type", f"image/{image.format}".encode()),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"etag", etag),
            (b"accept-ranges", b"bytes"),
        )
        if _etag_matches(headers.get(b"if-none-match"), etag):
            return responses.Response(304, b"", common)
        data = await self.render(image, width)
        range_header = headers.get(b"range")
        if not range_header or method == "HEAD" or headers.get(b"if-range", etag) != etag:
            return responses.Response(200, data, (*common, _content_length(data)))
        return _byte_range(data, range_header, common)

    async def preview(self, hub: HubBackend, path: str, width: int | None) -> responses.Response:
        """Return an image, at most that wide; raises ApiError 404."""
        _, image = self.find(hub, path)
        return await self.response(image, "GET", {}, width=width)

    async def render(self, image: ImageSpec, width: int | None = None) -> bytes:
        """Return the image from the cache, or render it in a thread, so that no request waits."""
        from mockhub.images.cache import ImageCache

        if self._cache is None:
            self._cache = ImageCache()
        if (data := self._cache.peek(image, width)) is not None:
            return data
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._cache.get, image, width)


def _etag_matches(header: bytes | None, etag: bytes) -> bool:
    if header is None:
        return False
    return any(one.strip().removeprefix(b"W/") in (etag, b"*") for one in header.split(b","))


def _content_length(data: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % len(data))


def _byte_range(data: bytes, header: bytes, common: responses.Headers) -> responses.Response:
    """Return one byte range (RFC 9110, 14.1.2), or all of it for several or invalid ranges."""
    match = _RANGE.fullmatch(header.strip())
    start, end = (number[:_MAX_RANGE_DIGITS] for number in match.groups()) if match else (b"", b"")
    if not (start or end) or (start and end and int(end) < int(start)):
        return responses.Response(200, data, (*common, _content_length(data)))
    if start:
        first, last = int(start), min(int(end or len(data)), len(data) - 1)
    else:
        first, last = max(0, len(data) - int(end)), len(data) - 1
    if first > last:
        unsatisfied_range = (b"content-range", b"bytes */%d" % len(data))
        return responses.Response(416, b"", (*common, unsatisfied_range, (b"content-length", b"0")))
    content = data[first : last + 1]
    content_range = (b"content-range", b"bytes %d-%d/%d" % (first, last, len(data)))
    return responses.Response(206, content, (*common, content_range, _content_length(content)))
