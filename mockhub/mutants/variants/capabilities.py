"""Conforming variants with other images, sizes, models and routing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count

from msgspec.structs import replace

from mockhub.exceptions import ValidationError
from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import edit, remove
from mockhub.mutants.hook import Hook, when
from mockhub.mutants.matching import has_failed
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, variant, variant_table
from mockhub.mutants.types import (
    Generation,
    Json,
    ParsedRequest,
    RequestContext,
    RequestHeaders,
    Response,
    Scope,
)
from mockhub.spec.operations import OperationId
from mockhub.spec.sizes import parse_size
from mockhub.web import serializers

_STANDARD_SIZES = ("1024x1024", "1536x1024", "1024x1536", "auto")
_SIGNATURE = "?X-Amz-Expires=3600&X-Amz-Signature=8c1f%2F..&response-content-type=image%2Fpng"

variant_table(responses.mutate_images, level="documented")(
    images_on_other_host=Row(
        "Images are on another host, which is not reachable.",
        lambda image, index: image.update(
            url=f"https://cdn.example.com/generations/user/{image['id']}.png"
        ),
    )
)
variant_table(responses.mutate_images)(
    signed_image_urls=Row(
        "Image URLs have a signature in their query.", edit("url", lambda url: url + _SIGNATURE)
    )
)


@variant("Image URLs have a new signature at each read.")
def image_urls_signed_per_read(server: PatchedServer) -> None:
    signatures = count()
    responses.mutate_images(edit("url", lambda url: f"{url}?expires=3600&sig={next(signatures)}"))(
        server
    )


@Hook
def set_image_format(server: PatchedServer, image_format: str) -> None:
    server.hub.image_format = image_format


variant_table(set_image_format)(
    jpeg_images=Row("Images are JPEG.", "jpeg"), webp_images=Row("Images are WebP.", "webp")
)


@variant("Images have the type application/octet-stream.", level="documented")
@responses.on_image_response
def images_as_octet_stream(response: Response, scope: Scope, headers: RequestHeaders) -> Response:
    others = tuple(header for header in response.headers if header[0] != b"content-type")
    return replace(response, headers=(*others, (b"content-type", b"application/octet-stream")))


@variant("An image URL redirects to another one.")
def images_redirected(server: PatchedServer) -> None:
    @responses.on_image_response.on(server)
    def redirect(response: Response, scope: Scope, headers: RequestHeaders) -> Response:
        if b"direct" in scope["query_string"]:
            return response
        location = (server.url + scope["path"] + "?direct=1").encode()
        return Response(302, b"", ((b"location", location), (b"content-length", b"0")))


@variant("Only the three standard sizes and auto are supported.", level="documented")
@hooks.on_request_body
def standard_sizes_only(request: ParsedRequest) -> None:
    size = request.values.get("size", "auto")
    if isinstance(size, str) and size not in _STANDARD_SIZES:
        raise ValidationError("size: expected 1024x1024, 1536x1024, 1024x1536 or auto")


@variant("An unsupported size is rounded to the nearest supported one.", level="documented")
def sizes_rounded_to_nearest(server: PatchedServer) -> None:
    rules = server.spec.catalog.size_rules

    def round_side(side: int, scale: float) -> int:
        return max(rules.multiple, int(side / scale) // rules.multiple * rules.multiple)

    @hooks.on_request_body.on(server)
    def round_size(request: ParsedRequest) -> None:
        with suppress(ValueError, KeyError, TypeError):
            size = parse_size(request.values["size"])
            too_long = max(size) / rules.longest_side
            scale = max(1.0, too_long, (size.pixels / rules.largest.pixels) ** 0.5)
            width, height = (round_side(side, scale) for side in size)
            request.values["size"] = f"{width}x{height}"


@variant("The aspect ratio of size auto is the one that was chosen.")
@responses.mutate_generation
def auto_ratio_resolved(content: Json, generation: Generation) -> None:
    if content.get("aspect_ratio") == "auto":
        content["aspect_ratio"] = "1:1"


def _model_entry(id: str, name: str, tiers: list[str], references: int) -> Json:
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


@variant("There are other models, before the documented one in the list.")
def extra_models(server: PatchedServer) -> None:
    listing = server.document["components"]["examples"]["Models"]["value"]["data"]
    listing.insert(0, _model_entry("nanobananapro", "Nano Banana Pro", ["1K", "2K", "4K"], 14))
    listing.insert(0, _model_entry("nanobanana", "Nano Banana", ["1K"], 3))


@responses.mutate_json(OperationId.LIST_MODELS, status=200).adapted
def replace_models(change: Callable[[Json], Json], content: Json, context: RequestContext) -> None:
    content["data"] = [change(model) for model in content["data"]]


def _camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return name if name == "reference_image_limit" else head + "".join(map(str.title, rest))


variant_table(replace_models, level="documented")(
    models_in_camel_case=Row(
        "The fields of models are in camel case, except the one that the documentation names.",
        lambda model: {_camel_case(name): value for name, value in model.items()},
    ),
    models_nested=Row(
        "The capabilities and the prices of a model are nested objects.",
        lambda model: {
            "id": model["id"],
            "title": model["name"],
            "provider": {"id": model["provider"]},
            "reference_image_limit": model["reference_image_limit"],
            "capabilities": {
                "ratios": [{"value": ratio} for ratio in model["supported_aspect_ratios"]],
                "qualities": model["supported_qualities"],
                "defaults": ["auto", "1K"],
            },
            "pricing": [
                {"quality": tier, "credits": credits}
                for tier, credits in model["credits_per_image"].items()
            ],
        },
    ),
)


@variant("A method that a path does not have returns 404.")
def other_methods_not_found(server: PatchedServer) -> None:
    server.document["x-unrouted"]["method"]["status"] = "404"


@variant("An unknown path returns 401 without a key.", level="documented")
@responses.on_response(status=404)
def auth_before_routing(response: Response, context: RequestContext) -> Response:
    known = context.key_digest in context.hub.keys
    return response if known else responses.error_response(context, "missingApiKey")


@variant("An Authorization header with another scheme counts as a missing key.")
@responses.mutate_json(code="invalidApiKey")
def other_schemes_are_missing_key(content: Json, context: RequestContext) -> None:
    if context.key_digest is None:
        content["error"]["code"] = "missingApiKey"


@variant("The error of a failed generation has its id, which can be read and is failed.")
@responses.mutate_json(OperationId.CREATE_GENERATION, code="generationFailed")
def failures_with_generation_id(content: Json, context: RequestContext) -> None:
    content["error"]["generation_id"] = context.generation


@variant("A failed synchronous generation is not stored.")
@responses.on_response(OperationId.CREATE_GENERATION, code="generationFailed")
def failures_not_stored(response: Response, context: RequestContext) -> Response:
    context.hub.generations.pop(context.generation or "", None)
    return response


@variant("Logs keep poll_url and credits_requested, and have the balance.")
@responses.mutate_generation.with_server
def verbose_logs(server: PatchedServer, content: Json, generation: Generation) -> None:
    links, account = server.api.links(server.hub.name), server.hub.accounts[generation.account]
    content.setdefault("poll_url", links.poll_url(generation))
    content["usage"].setdefault("credits_requested", generation.credits_requested)
    content.setdefault("balance", serializers.balance(account.balance_snapshot()))
    content.setdefault("created_at", serializers.timestamp(generation.created_at))
    content.setdefault("error", None)


@variant("A task that is processing has its first image already.", level="documented")
@responses.mutate_log.with_server
def images_while_processing(server: PatchedServer, content: Json, generation: Generation) -> None:
    if content["status"] == "processing" and not generation.outcome.fail:
        content["images"] = [server.image_json(generation, 0)]


@variant("Line breaks and tabs in a path are dropped, as many parsers of URLs do.")
@hooks.on_request
def line_breaks_in_path_dropped(headers: RequestHeaders, scope: Scope) -> None:
    scope["path"] = scope["path"].translate(dict.fromkeys(map(ord, "\t\r\n")))


variant_table(responses.mutate_log)(
    log_without_poll_url=Row("The log of a task has no poll_url.", remove("poll_url"))
)


@variant("poll_url has the name of the host instead of its address.")
@responses.mutate_generation
def poll_url_with_hostname(content: Json, generation: Generation) -> None:
    if "poll_url" in content:
        content["poll_url"] = content["poll_url"].replace("127.0.0.1", "localhost")


variant_table(when(has_failed, responses.mutate_generation), level="documented")(
    failed_log_without_usage_and_images=Row(
        "The log of a failed task has no usage and no images.", remove("usage", "images")
    )
)
