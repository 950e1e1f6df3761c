"""Defects of what model, size, quality and prompt may hold."""

from __future__ import annotations

from functools import partial

from mockhub.exceptions import ValidationError
from mockhub.mutants.field_mutants import (
    change_text_field,
    for_each_media_type,
    mutate_field,
    reject_value,
)
from mockhub.mutants.hooks import every
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.request_hook import ParsedRequest


@mutant("REQ-1", "A model that is not listed is taken for the listed one.")
def any_model_accepted(server: PatchedServer) -> None:
    model = server.model["id"]
    server.on_request_body(
        lambda request: (
            request.values.update(model=model)
            if isinstance(request.values.get("model"), str) and request.values["model"]
            else None
        )
    )


mutate_field(
    "unlisted-model-accepted",
    "REQ-1",
    "a model that is not listed is taken for the listed one.",
    lambda values: values.update(model="gpt-image-2") if values.get("model") else None,
)


@mutant("REQ-1", "GPT-Image-2 is taken for the listed model.")
def model_case_ignored(server: PatchedServer) -> None:
    change_text_field(server, "model", str.lower)


@mutant("REQ-1", "A model whose id begins with the listed one's is taken for it.")
def model_prefix_accepted(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update(model="gpt-image-2")
            if str(request.values.get("model")).startswith("gpt-image-2")
            else None
        )
    )


@mutant("REQ-1", "gpt-image-1 is taken, although it is not listed.")
def older_model_accepted(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update(model="gpt-image-2")
            if request.values.get("model") == "gpt-image-1"
            else None
        )
    )


@mutant("REQ-1", "A model that is not listed answers 404 notFound.")
def unknown_model_not_found(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        model = request.values.get("model")
        if isinstance(model, str) and model and model not in server.spec.catalog.models:
            raise server.error("notFound")


mutate_field(
    "model-optional",
    "REQ-1",
    "model may be left out.",
    lambda values: values.setdefault("model", "gpt-image-2") and None,
)


@mutant("REQ-3", "Size auto is refused.")
def auto_size_rejected(server: PatchedServer) -> None:
    reject_value(server, "size", "auto")


@mutant("REQ-3", "A size that is no size is taken for auto.")
def invalid_size_read_as_auto(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update(size="auto")
            if isinstance(request.values.get("size"), str) and "x" not in request.values["size"]
            else None
        )
    )


@mutant("REQ-3", "1536x1024, a standard size, is refused.", level="inferred")
def only_square_sizes(server: PatchedServer) -> None:
    reject_value(server, "size", "1536x1024")
    reject_value(server, "size", "1024x1536")


def edit_size_rules(server: PatchedServer, **rules: object) -> None:
    """Hold sizes to other rules."""
    server.schema("Size")["x-sizes"].update(rules)


@mutant("REQ-13", "Sides need not be divisible by 16.", conforms_if_documented=True)
def size_not_divisible_by_16_accepted(server: PatchedServer) -> None:
    edit_size_rules(server, multiple=1)


@mutant("REQ-13", "A ratio beyond 3:1 is taken.", conforms_if_documented=True)
def any_ratio_accepted(server: PatchedServer) -> None:
    edit_size_rules(server, widest="12:1", tallest="1:12")


@mutant("REQ-13", "A size beyond 3840x2160 is taken.", conforms_if_documented=True)
def huge_sizes_accepted(server: PatchedServer) -> None:
    edit_size_rules(server, largest="9984x9984")


@mutant("REQ-13", "Nothing beyond 2048x2048 is taken.", conforms_if_documented=True)
def large_sizes_rejected(server: PatchedServer) -> None:
    edit_size_rules(server, largest="2048x2048")


@mutant("REQ-13", "A ratio of exactly 3:1 or 1:3 is refused.", conforms_if_documented=True)
def ratio_3_to_1_rejected(server: PatchedServer) -> None:
    edit_size_rules(server, widest="299:100", tallest="100:299")


@mutant("REQ-13", "1024X1024 is taken for 1024x1024.", conforms_if_documented=True)
def uppercase_x_in_size_accepted(server: PatchedServer) -> None:
    change_text_field(server, "size", str.lower)


@mutant("REQ-13", "Blanks and line ends around a size are taken off.", conforms_if_documented=True)
def whitespace_around_size_accepted(server: PatchedServer) -> None:
    change_text_field(server, "size", str.strip)


@mutant("REQ-4", "A quality that there is not is taken for auto.")
def unknown_quality_read_as_auto(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update(quality="auto")
            if isinstance(request.values.get("quality"), str)
            else None
        )
    )


for_each_media_type(
    "unknown-quality-accepted",
    "REQ-4",
    "any quality is taken.",
    lambda quality: quality.pop("enum"),
    field="quality",
)
for_each_media_type(
    "hd-quality-accepted",
    "REQ-4",
    "hd and standard are taken as qualities, as an older upstream model does.",
    lambda quality: quality["enum"].extend(["hd", "standard"]),
    field="quality",
)
for_each_media_type(
    "tiers-accepted-as-quality",
    "REQ-4",
    "1K, 2K and 4K are taken as qualities.",
    lambda quality: quality["enum"].extend(["1K", "2K", "4K"]),
    field="quality",
)
for _quality in ("auto", "low", "medium", "high"):
    mutant(
        "REQ-4", name=f"{_quality}-quality-rejected", description=f"Quality {_quality} is refused."
    )(partial(reject_value, name="quality", value=_quality))


@mutant("REQ-4", "HIGH is taken for high.")
def quality_case_ignored(server: PatchedServer) -> None:
    change_text_field(server, "quality", str.lower)


for_each_media_type(
    "empty-prompt-accepted",
    "REQ-11",
    "an empty prompt is taken.",
    lambda prompt: prompt.update(minLength=0),
    field="prompt",
    conforms_if_documented=True,
)
for_each_media_type(
    "overlong-prompt-accepted",
    "REQ-11",
    "a prompt of more than 32,000 characters is taken.",
    lambda prompt: prompt.pop("maxLength"),
    field="prompt",
    conforms_if_documented=True,
)
for_each_media_type(
    "long-prompt-rejected",
    "REQ-11",
    "a prompt of more than 1,000 characters is refused.",
    lambda prompt: prompt.update(maxLength=1000),
    field="prompt",
    conforms_if_documented=True,
)
mutate_field(
    "prompt-optional",
    "REQ-11",
    "prompt may be left out.",
    lambda values: values.setdefault("prompt", "anything") and None,
    conforms_if_documented=True,
)


@mutant("REQ-11", "A prompt's length is counted in bytes.")
def prompt_counted_in_bytes(server: PatchedServer) -> None:
    @server.on_request_body
    def check(request: ParsedRequest) -> None:
        prompt = request.values.get("prompt")
        if isinstance(prompt, str) and len(prompt.encode()) > 32_000:  # noqa: PLR2004
            raise ValidationError("prompt is too long")


@mutant("REQ-11", "A prompt with a character beyond the basic plane answers 500.")
def emoji_crashes(server: PatchedServer) -> None:
    @server.on_request_body
    def crash(request: ParsedRequest) -> None:
        if any(ord(letter) > 0xFFFF for letter in str(request.values.get("prompt"))):  # noqa: PLR2004
            raise RuntimeError("Incorrect string value")


@mutant("REQ-11", "A prompt that is not ASCII is refused.")
def non_ascii_prompts_rejected(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if not str(request.values.get("prompt")).isascii():
            raise ValidationError("prompt: expected ASCII")


@mutant("REQ-5", "Every second n=5 is accepted and returns four images.")
def every_second_n_5_accepted(server: PatchedServer) -> None:
    second = every(2)

    @server.on_request_body
    def clamp(request: ParsedRequest) -> None:
        if request.values.get("n") == 5 and second():  # noqa: PLR2004
            request.values["n"] = 4
