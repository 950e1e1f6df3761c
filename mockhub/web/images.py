"""The image endpoint: images are rendered when they are fetched, with ETag, HEAD and ranges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.exceptions import ApiError, MockhubError
from mockhub.images.image_spec import ImageSpec, image_spec
from mockhub.web import cors, responses, serializers
from mockhub.web.asgi import Receive, Scope, Send, headers_of, send_response
from mockhub.web.context import HUB_NAME_SCOPE_KEY

if TYPE_CHECKING:
    from mockhub.images.cache import ImageCache

ImageObserver = Callable[[Scope, int, float], None]

_PATH = re.compile(r"/images/([^/]+)/([0-9a-f]+)/([1-9][0-9]?)\.(png|jpg|webp)")
_RANGE = re.compile(rb"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)
_MAX_RANGE_DIGITS = 18  # further digits of a range are ignored: no image is that long
_FORMATS_BY_EXTENSION = {extension: name for name, extension in serializers.FILE_EXTENSIONS.items()}
_METHODS = ("GET", "HEAD", "OPTIONS")


class ImageEndpoint:
    """Serve the images of every hub, as a plain ASGI callable, without an API key (GEN-10).

    Args:
        hub_registry: The hubs.
        observer: Called with the scope, the status and the milliseconds of every finished request.
    """

    def __init__(self, hub_registry: HubRegistry, *, observer: ImageObserver | None = None) -> None:
        self._hub_registry = hub_registry
        self._cache: ImageCache | None = None
        self.observe: ImageObserver = observer or (lambda scope, status, milliseconds: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at, headers = perf_counter(), headers_of(scope)
        try:
            response = await self.handle(scope, headers)
        except ApiError as error:
            response = responses.error_response(error)
        except Exception as error:
            problem = f"{scope['path']}: {type(error).__name__}: {error}"
            response = responses.error_response(responses.internal_error(problem))
        response = cors.with_cors_headers(response)
        await send_response(response, scope, send)
        self.observe(scope, response.status, (perf_counter() - started_at) * 1000)

    async def handle(self, scope: Scope, headers: Mapping[bytes, bytes]) -> responses.Response:
        image, hub = self._find_image(scope)
        method = scope["method"]
        if method == "OPTIONS":
            return cors.options(_METHODS, headers.get(b"access-control-request-headers"))
        if method not in _METHODS:
            routing_error, allowed = hub.spec.unknown_method, ", ".join(_METHODS)
            message = f"{method} is not allowed for images; expected {allowed}"
            raise ApiError(
                routing_error.status, routing_error.code, message, headers={"Allow": allowed}
            )
        if method == "HEAD":  # ranges are for GET alone (RFC 9110, 14.2)
            headers = {**headers, b"range": b""}
        return await self._conditional_response(image, headers)

    def _find_image(self, scope: Scope) -> tuple[ImageSpec, HubBackend]:
        try:
            name = scope.get(HUB_NAME_SCOPE_KEY)
            hub = self._hub_registry.default if name is None else self._hub_registry.get(name)
        except MockhubError as error:
            raise self._hub_registry.default.spec.errors.error("notFound", str(error)) from None
        hub.settle()
        match = _PATH.fullmatch(scope["path"])
        generation = hub.generations.get(match[1]) if match else None
        if match is None or generation is None or int(match[3]) > generation.delivered:
            message = f"There is no image at {scope['path'][:200]!r}"
            raise hub.spec.errors.error("notFound", message)
        image_format = _FORMATS_BY_EXTENSION[match[4]]
        image = image_spec(generation, int(match[3]) - 1, format=image_format)
        if match[2] != image.url_digest():
            message = (
                f"There is no image at {scope['path'][:200]!r} any more: "
                f"since a restart or a reset {generation.id} is another generation"
            )
            raise hub.spec.errors.error("notFound", message)
        return image, hub

    async def _conditional_response(
        self, image: ImageSpec, headers: Mapping[bytes, bytes]
    ) -> responses.Response:
        """Return 200, 304 if the client has the image already, or 206 or 416 for a range."""
        etag = f'"{image.entity_tag()}"'.encode()
        common = (
            (b"content-type", f"image/{image.format}".encode()),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"etag", etag),
            (b"accept-ranges", b"bytes"),
        )
        if _etag_matches(headers.get(b"if-none-match"), etag):
            return responses.Response(304, b"", common)
        data = await self.render(image)
        range_header = headers.get(b"range")
        if not range_header or headers.get(b"if-range", etag) != etag:
            return responses.Response(200, data, (*common, _content_length(data)))
        return _byte_range(data, range_header, common)

    async def render(self, image: ImageSpec) -> bytes:
        """Return the image from the cache, or render it in a thread, so that no request waits."""
        from mockhub.images.cache import ImageCache

        if self._cache is None:
            self._cache = ImageCache()
        if (data := self._cache.peek(image)) is not None:
            return data
        return await asyncio.get_running_loop().run_in_executor(None, self._cache.get, image)


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
