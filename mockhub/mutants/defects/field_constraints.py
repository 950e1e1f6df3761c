"""Mutants of model, prompt, size, quality and n (REQ-1, REQ-3 to REQ-5, REQ-11, REQ-13)."""

from __future__ import annotations

from msgspec.structs import replace

from mockhub.mutants.field_mutants import (
    crash_if,
    field_table,
    has_value,
    if_type,
    mutate_schema,
    mutate_values,
    reject_if,
    replace_field,
)
from mockhub.mutants.hooks import every, hook, on_response
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.spec.operations import JSON, OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response

_MODEL = "gpt-image-2"
_MAX_N = 4
_MAX_PROMPT_BYTES = 32_000
_BASIC_PLANE = 0xFFFF
_QUALITIES = ("auto", "low", "medium", "high")


def _prompt(request: ParsedRequest) -> str:
    return str(request.values.get("prompt"))


# -- model ---------------------------------------------------------------------------------------

mutant_table("REQ-1", replace_field("model"))(
    any_model_accepted=(
        "Any model is accepted and replaced by the listed one.",
        if_type(str, lambda model: model and _MODEL),
    ),
    model_case_ignored=("GPT-Image-2 is accepted.", if_type(str, str.lower)),
    model_prefix_accepted=(
        "A model whose id begins with gpt-image-2 is accepted.",
        if_type(str, lambda model: _MODEL if model.startswith(_MODEL) else model),
    ),
    older_model_accepted=(
        "gpt-image-1 is accepted, although it is not listed.",
        lambda model: _MODEL if model == "gpt-image-1" else model,
    ),
)
field_table("REQ-1", mutate_values)(
    unlisted_model_accepted=(
        "any model is accepted and replaced by the listed one.",
        lambda values: values.update(model=_MODEL) if values.get("model") else None,
    ),
    model_optional=("model is optional.", lambda values: values.setdefault("model", _MODEL)),
)


@mutant("REQ-1", "A model that is not listed returns 404 notFound.")
def unknown_model_not_found(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        model = request.values.get("model")
        if isinstance(model, str) and model and model not in server.spec.catalog.models:
            raise server.error("notFound")


# -- size ----------------------------------------------------------------------------------------


@hook
def edit_size_rules(server: PatchedServer, rules: dict[str, object]) -> None:
    """Accept sizes by other rules."""
    server.schema("Size")["x-sizes"].update(rules)


mutant_table("REQ-3", reject_if)(
    auto_size_rejected=("The size auto is rejected.", has_value("size", "auto")),
)
mutant_table("REQ-3", reject_if, level="inferred")(
    only_square_sizes=(
        "The sizes 1536x1024 and 1024x1536 are rejected.",
        has_value("size", "1536x1024", "1024x1536"),
    ),
)
mutant_table("REQ-3", replace_field("size"))(
    invalid_size_read_as_auto=(
        "A malformed size is read as auto.",
        if_type(str, lambda size: size if "x" in size else "auto"),
    ),
)
mutant_table("REQ-13", edit_size_rules, conforms_if_documented=True)(
    size_not_divisible_by_16_accepted=("Sides need not be divisible by 16.", {"multiple": 1}),
    any_ratio_accepted=(
        "Ratios beyond 3:1 and 1:3 are accepted.",
        {"widest": "12:1", "tallest": "1:12"},
    ),
    huge_sizes_accepted=("Sizes beyond 3840x2160 are accepted.", {"largest": "9984x9984"}),
    large_sizes_rejected=("Sizes beyond 2048x2048 are rejected.", {"largest": "2048x2048"}),
    ratio_3_to_1_rejected=(
        "Ratios of exactly 3:1 and 1:3 are rejected.",
        {"widest": "299:100", "tallest": "100:299"},
    ),
)
mutant_table("REQ-13", replace_field("size"), conforms_if_documented=True)(
    uppercase_x_in_size_accepted=("1024X1024 is accepted as a size.", if_type(str, str.lower)),
    whitespace_around_size_accepted=(
        "Whitespace around a size is removed.",
        if_type(str, str.strip),
    ),
)

# -- quality -------------------------------------------------------------------------------------

mutant_table("REQ-4", replace_field("quality"))(
    unknown_quality_read_as_auto=("Every quality is read as auto.", if_type(str, lambda _: "auto")),
    quality_case_ignored=("HIGH is accepted as high.", if_type(str, str.lower)),
)
field_table("REQ-4", mutate_schema("quality"))(
    unknown_quality_accepted=("any quality is accepted.", lambda schema: schema.pop("enum")),
    hd_quality_accepted=(
        "hd and standard, the qualities of an older model, are accepted.",
        lambda schema: schema["enum"].extend(["hd", "standard"]),
    ),
    tiers_accepted_as_quality=(
        "1K, 2K and 4K are accepted as qualities.",
        lambda schema: schema["enum"].extend(["1K", "2K", "4K"]),
    ),
)
for _quality in _QUALITIES:
    mutant("REQ-4", f"Quality {_quality} is rejected.", name=f"{_quality}_quality_rejected")(
        reject_if(has_value("quality", _quality))
    )

# -- n -------------------------------------------------------------------------------------------

field_table("REQ-5", mutate_schema("n"))(
    n_5_accepted=("n=5 is accepted.", lambda schema: schema.update(maximum=5)),
    n_10_accepted=(
        "n up to 10 is accepted, as by the provider.",
        lambda schema: schema.update(maximum=10),
    ),
    n_4_rejected=("n=4 is rejected.", lambda schema: schema.update(maximum=3)),
)
field_table("REQ-5", mutate_values)(
    n_1_rejected=(
        "n=1 is rejected.",
        lambda values: values.update(n=0) if values.get("n", 1) == 1 else None,
    ),
)
field_table("REQ-5", lambda media_type: replace_field("n", media_type))(
    n_0_means_1=("n=0 generates one image.", lambda n: 1 if n == 0 else n),
    n_above_4_clamped=(
        "an n above 4 generates four images.",
        if_type(int, lambda n: min(n, _MAX_N)),
    ),
    n_below_1_clamped=("an n below 1 generates one image.", if_type(int, lambda n: max(n, 1))),
)
mutant_table("REQ-5", replace_field("n"))(
    negative_n_means_positive=(
        "The sign of n is ignored: -2 generates two images.",
        if_type(int, abs),
    ),
    n_wraps_at_256=("n has 8 bits: 257 generates one image.", if_type(int, lambda n: n % 256)),
    n_ignored=(
        "One image is generated, charged and returned for each valid n.",
        lambda n: 1 if n in (2, 3, 4) else n,
    ),
)
mutant_table("REQ-5", replace_field("n", JSON))(
    fractional_n_truncated=("In JSON, n=1.5 is accepted as 1.", if_type(float, int)),
)
mutant_table("REQ-5", crash_if)(
    n_out_of_range_crashes=("n=0 returns 500.", has_value("n", 0)),
)


@mutant("REQ-5", "An n out of range returns 422.")
@on_response(OperationId.CREATE_GENERATION, code="invalid_request")
def n_out_of_range_is_422(response: Response, context: RequestContext) -> Response:
    n = context.body.values.get("n") if context.body else 1
    out_of_range = isinstance(n, int) and not 1 <= n <= _MAX_N
    return replace(response, status=422) if out_of_range else response


@mutant("REQ-5", "Every second n=5 is accepted and returns four images.")
def every_second_n_5_accepted(server: PatchedServer) -> None:
    second = every(2)
    replace_field("n")(lambda n: _MAX_N if n == _MAX_N + 1 and second() else n)(server)


# -- prompt --------------------------------------------------------------------------------------

field_table("REQ-11", mutate_schema("prompt"), conforms_if_documented=True)(
    empty_prompt_accepted=(
        "an empty prompt is accepted.",
        lambda schema: schema.update(minLength=0),
    ),
    overlong_prompt_accepted=(
        "a prompt of more than 32,000 characters is accepted.",
        lambda schema: schema.pop("maxLength"),
    ),
    long_prompt_rejected=(
        "a prompt of more than 1,000 characters is rejected.",
        lambda schema: schema.update(maxLength=1000),
    ),
)
field_table("REQ-11", mutate_values, conforms_if_documented=True)(
    prompt_optional=(
        "prompt is optional.",
        lambda values: values.setdefault("prompt", "anything"),
    ),
)
mutant_table("REQ-11", reject_if)(
    prompt_counted_in_bytes=(
        "The length of a prompt is counted in bytes.",
        lambda request: len(_prompt(request).encode()) > _MAX_PROMPT_BYTES,
    ),
    non_ascii_prompts_rejected=(
        "A prompt with characters outside ASCII is rejected.",
        lambda request: not _prompt(request).isascii(),
    ),
)
mutant_table("REQ-11", crash_if)(
    emoji_crashes=(
        "A prompt with a character outside the basic multilingual plane returns 500.",
        lambda request: any(ord(letter) > _BASIC_PLANE for letter in _prompt(request)),
    ),
)
