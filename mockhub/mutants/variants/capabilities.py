"""Conforming servers that offer other images, sizes, models and manners."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from msgspec.structs import replace

from mockhub.domain.generations import Generation
from mockhub.exceptions import ValidationError
from mockhub.mutants.defects.async_polling import on_read
from mockhub.mutants.defects.images import on_image_response, on_images
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import variant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import with_json
from mockhub.spec.operations import OperationId
from mockhub.spec.sizes import parse_size
from mockhub.web import responses, serializers
from mockhub.web.context import RequestContext

_STANDARD_SIZES = ("1024x1024", "1536x1024", "1024x1536")


@variant("Images lie on another host, which cannot be reached from here.", level="documented")
def images_on_other_host(server: PatchedServer) -> None:
    on_images(
        server,
        lambda image, index: image.update(
            url=f"https://cdn.example.com/generations/user/{image['id']}.png"
        ),
    )


@variant("Image URLs carry a signature in their query.")
def signed_image_urls(server: PatchedServer) -> None:
    query = "?X-Amz-Expires=3600&X-Amz-Signature=8c1f%2F..&response-content-type=image%2Fpng"
    on_images(server, lambda image, index: image.update(url=image["url"] + query))


@variant("Image URLs are signed anew at each read.", level="documented")
def image_urls_signed_per_read(server: PatchedServer) -> None:
    signed = iter(range(1 << 30))
    on_images(
        server,
        lambda image, index: image.update(url=f"{image['url']}?expires=3600&sig={next(signed)}"),
    )


@variant("Images are JPEG.")
def jpeg_images(server: PatchedServer) -> None:
    server.hub.image_format = "jpeg"


@variant("Images are WebP.")
def webp_images(server: PatchedServer) -> None:
    server.hub.image_format = "webp"


@variant("Images are served as application/octet-stream.", level="documented")
def images_as_octet_stream(server: PatchedServer) -> None:
    def as_octet_stream(
        response: responses.Response, scope: Any, headers: dict[bytes, bytes]
    ) -> responses.Response:
        other_headers = tuple(one for one in response.headers if one[0] != b"content-type")
        return replace(
            response, headers=(*other_headers, (b"content-type", b"application/octet-stream"))
        )

    on_image_response(server, as_octet_stream)


@variant("An image's URL leads on to another one.", level="documented")
def images_redirected(server: PatchedServer) -> None:
    def redirect(
        response: responses.Response, scope: Any, headers: dict[bytes, bytes]
    ) -> responses.Response:
        if b"direct" in scope["query_string"]:
            return response
        location = (server.url + scope["path"] + "?direct=1").encode()
        return responses.Response(302, b"", ((b"location", location), (b"content-length", b"0")))

    on_image_response(server, redirect)


# -- sizes ---------------------------------------------------------------------------------------


@variant("Of sizes only the three standard ones and auto are offered.", level="documented")
def standard_sizes_only(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        size = request.values.get("size", "auto")
        if isinstance(size, str) and size not in (*_STANDARD_SIZES, "auto"):
            raise ValidationError("size: expected 1024x1024, 1536x1024, 1024x1536 or auto")


@variant(
    "A size that is not offered is taken for the nearest that is, of about the same ratio.",
    level="documented",
)
def sizes_rounded_to_nearest(server: PatchedServer) -> None:
    rules = server.spec.catalog.size_rules

    def round_side(side: int, scale: float) -> int:
        return max(rules.multiple, int(side / scale) // rules.multiple * rules.multiple)

    @server.on_request_body
    def round_size(request: ParsedRequest) -> None:
        with suppress(ValueError, KeyError, TypeError):
            size = parse_size(request.values["size"])
            scale = max(
                1.0, max(size) / rules.longest_side, (size.pixels / rules.largest.pixels) ** 0.5
            )
            request.values["size"] = (
                f"{round_side(size.width, scale)}x{round_side(size.height, scale)}"
            )


@variant("The ratio of size auto is the one that was chosen.")
def auto_ratio_resolved(server: PatchedServer) -> None:
    server.mutate_generation(
        lambda content, context: (
            content.update(aspect_ratio="1:1") if content.get("aspect_ratio") == "auto" else None
        )
    )


# -- what else there is --------------------------------------------------------------------------


def _model_entry(id: str, name: str, tiers: list[str], references: int) -> dict[str, Any]:
    return {
        "id": id,
        "object": "model",
        "name": name,
        "provider": "gemini",
        "supported_aspect_ratios": ["auto", "1:1", "16:9"],
        "supported_qualities": tiers,
        "default_options": {"aspect_ratio": "1:1", "quality": tiers[0]},
        "reference_image_limit": references,
        "credits_per_image": {tier: 4 + at for at, tier in enumerate(tiers)},
    }


@variant("There are other models, which stand before ours in the list.")
def extra_models(server: PatchedServer) -> None:
    listing = server.document["components"]["examples"]["Models"]["value"]["data"]
    listing.insert(0, _model_entry("nanobananapro", "Nano Banana Pro", ["1K", "2K", "4K"], 14))
    listing.insert(0, _model_entry("nanobanana", "Nano Banana", ["1K"], 3))


def reshape_models(server: PatchedServer, change: Callable[[dict[str, Any]], Any]) -> None:
    """Describe each model otherwise."""
    server.replace_json(OperationId.LIST_MODELS, status=200)(
        lambda content, context: {**content, "data": [change(one) for one in content["data"]]}
    )


@variant(
    "The model's fields have names in camel case, but for the one that the page names.",
    level="documented",
)
def models_in_camel_case(server: PatchedServer) -> None:
    def camel(name: str) -> str:
        head, *rest = name.split("_")
        return name if name == "reference_image_limit" else head + "".join(map(str.title, rest))

    reshape_models(server, lambda model: {camel(name): value for name, value in model.items()})


@variant("What a model can do, and what it costs, are objects within it.", level="documented")
def models_nested(server: PatchedServer) -> None:
    def nest(model: dict[str, Any]) -> dict[str, Any]:
        prices = model["credits_per_image"]
        return {
            "id": model["id"],
            "title": model["name"],
            "provider": {"id": model["provider"]},
            "reference_image_limit": model["reference_image_limit"],
            "capabilities": {
                "ratios": [{"value": one} for one in model["supported_aspect_ratios"]],
                "qualities": model["supported_qualities"],
                "defaults": ["auto", "1K"],
            },
            "pricing": [{"quality": tier, "credits": unit} for tier, unit in prices.items()],
        }

    reshape_models(server, nest)


@variant("A method that a path does not have answers 404.")
def other_methods_not_found(server: PatchedServer) -> None:
    server.document["x-unrouted"]["method"]["status"] = "404"


@variant("Without a key, an unknown path answers 401.", level="documented")
def auth_before_routing(server: PatchedServer) -> None:
    @server.on_response(status=404)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        known = context.key_digest in server.hub.keys
        return response if known else responses.error_response(server.error("missingApiKey"))


@variant("An Authorization header of another scheme is answered as a missing key.")
def other_schemes_are_missing_key(server: PatchedServer) -> None:
    @server.mutate_json(code="invalidApiKey")
    def rewrite(content: Any, context: RequestContext) -> None:
        if context.key_digest is None:
            content["error"]["code"] = "missingApiKey"


@variant("The error of a failed generation names its id, which reads back as failed.")
def failures_with_generation_id(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, code="generationFailed")
    def rewrite(content: Any, context: RequestContext) -> None:
        content["error"]["generation_id"] = context.generation


@variant("A synchronous generation that failed leaves nothing behind.")
def failures_not_stored(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="generationFailed")
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        server.hub.generations.pop(context.generation or "", None)
        return response


@variant("Logs keep poll_url and what was requested, and tell the balance.")
def verbose_logs(server: PatchedServer) -> None:
    @server.mutate_generation
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations.get(str(content.get("id")))
        if generation and context.account:
            content.setdefault("poll_url", server.api.links(server.hub.name).poll_url(generation))
            content["usage"].setdefault("credits_requested", generation.credits_requested)
            content.setdefault("balance", serializers.balance(context.account.balance_snapshot()))
            content.setdefault("created_at", serializers.timestamp(generation.created_at))
            content.setdefault("error", None)


@variant("While a task is processing, its first image is shown already.", level="documented")
def images_while_processing(server: PatchedServer) -> None:
    def show(content: Any, generation: Generation, reads: int) -> None:
        if content["status"] == "processing" and not generation.outcome.fail:
            url = server.api.links(server.hub.name).image_url(generation, 0, "png")
            id, created_at = server.hub.ids.image(generation.id, 0), content["created_at"]
            content["images"] = [
                {"id": id, "object": "image", "url": url, "created_at": created_at}
            ]

    on_read(server, show)


@variant("poll_url has the name of the host, not its number.")
def poll_url_with_hostname(server: PatchedServer) -> None:
    server.mutate_generation(
        lambda content, context: (
            content.update(poll_url=content["poll_url"].replace("127.0.0.1", "localhost"))
            if content.get("poll_url")
            else None
        )
    )


@variant("A failed task has no usage and no images in its log.", level="documented")
def failed_log_without_usage_and_images(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        content = orjson.loads(response.body)
        if content.get("status") == "failed":
            del content["usage"], content["images"]
        return with_json(response, content)
