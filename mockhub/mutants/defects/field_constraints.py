"""Mutants of model, prompt, size, quality and n (REQ-1, REQ-3 to REQ-5, REQ-11, REQ-13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from mockhub.mutants import fields, hooks, responses
from mockhub.mutants.changes import extend, if_type, remove, set_default, update
from mockhub.mutants.hook import Hook, every
from mockhub.mutants.matching import has_value
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Json, ParsedRequest, RequestContext, Response
from mockhub.spec.operations import FORM, JSON, OperationId

_MODEL = "gpt-image-2"
_SHORT = 3  # characters, fewer than every value has
_MAX_N = 4
_MAX_PROMPT_BYTES = 32_000
_MAX_PROMPT_UNITS = 32_000
_BASIC_PLANE = 0xFFFF


def _prompt(request: ParsedRequest) -> str:
    return str(request.values.get("prompt"))


mutant_table("REQ-1", fields.replace_field("model"))(
    any_model_accepted=Row(
        "Any model is accepted as the listed one.", if_type(str, lambda model: model and _MODEL)
    ),
    model_case_ignored=Row("GPT-Image-2 is accepted.", if_type(str, str.lower)),
    model_prefix_accepted=Row(
        "A model whose id begins with gpt-image-2 is accepted.",
        if_type(str, lambda model: _MODEL if model.startswith(_MODEL) else model),
    ),
    older_model_accepted=Row(
        "gpt-image-1 is accepted, although it is not listed.",
        lambda model: _MODEL if model == "gpt-image-1" else model,
    ),
    model_with_provider_accepted=Row(
        "openai/gpt-image-2 is accepted.", if_type(str, lambda model: model.rpartition("/")[2])
    ),
    separators_in_model_ignored=Row(
        "gpt_image_2 is accepted.", if_type(str, lambda model: model.replace("_", "-"))
    ),
    whitespace_around_model_accepted=Row(
        "White space around a model is removed.", if_type(str, str.strip), level="inferred"
    ),
)
mutant_table("REQ-1", fields.replace_field("model", JSON), generated="random_bodies")(
    short_models_accepted=Row(
        "In JSON, a model of at most three characters is accepted.",
        if_type(str, lambda model: _MODEL if 0 < len(model) <= _SHORT else model),
    )
)
mutant_table("REQ-4", fields.replace_field("quality", FORM), generated="random_bodies")(
    quality_case_ignored_in_forms=Row(
        "In a form, HIGH is accepted as high.", if_type(str, str.lower)
    )
)
mutant_table("REQ-1", fields.replace_field("model", FORM))(
    older_model_accepted_in_forms=Row(
        "In a form, gpt-image-1 is accepted, although it is not listed.",
        lambda model: _MODEL if model == "gpt-image-1" else model,
    )
)
fields.field_table("REQ-1", fields.mutate_values)(
    unlisted_model_accepted=Row(
        "any model is accepted as the listed one.",
        lambda values: values.update(model=_MODEL) if values.get("model") else None,
    ),
    model_optional=Row("model is optional.", set_default(model=_MODEL)),
    unlisted_model_accepted_at_high_quality=Row(
        "at quality high, any model is accepted as the listed one.",
        lambda values: values.update(model=_MODEL) if values.get("quality") == "high" else None,
    ),
)
fields.field_table("REQ-4", fields.mutate_values)(
    unknown_quality_accepted_with_auto_size=Row(
        "with size auto or without a size, every quality is read as auto.",
        lambda values: (
            values.update(quality="auto") if values.get("size", "auto") == "auto" else None
        ),
    ),
    unknown_quality_accepted_for_two_images=Row(
        "with n=2, every quality is read as auto.",
        lambda values: values.update(quality="auto") if values.get("n") in (2, "2") else None,
    ),
    inherited_names_accepted_as_quality=Row(
        "names that every JavaScript object has are read as quality auto.",
        lambda values: (
            values.update(quality="auto")
            if values.get("quality") in ("constructor", "toString", "valueOf")
            else None
        ),
    ),
)


@Hook
def mutate_values_of_form_tasks(server: PatchedServer, change: Callable[[Json], object]) -> None:
    @fields.mutate_values(FORM).on(server)
    def mutate(values: Json) -> None:
        if values.get("async") in (True, "true"):
            change(values)


mutant_table("REQ-4", mutate_values_of_form_tasks)(
    unknown_quality_accepted_in_form_tasks=Row(
        "In a form that is a task, every quality is read as auto.",
        lambda values: values.update(quality="auto"),
    )
)
mutant_table("REQ-1", mutate_values_of_form_tasks)(
    model_optional_in_form_tasks=Row(
        "In a form that is a task, model is optional.", set_default(model=_MODEL)
    )
)
mutant_table("REQ-5", fields.reject_if)(
    three_images_rejected_in_form=Row(
        "A form with n=3 is rejected.",
        lambda request: request.media_type == FORM and request.values.get("n") in (3, "3"),
    )
)


@mutant("REQ-1", "A model that is not listed returns 404 notFound.")
@hooks.on_request_body.with_server
def unknown_model_not_found(server: PatchedServer, request: ParsedRequest) -> None:
    model = request.values.get("model")
    if isinstance(model, str) and model and model not in server.spec.catalog.models:
        raise server.error("notFound")


@Hook
def edit_size_rules(server: PatchedServer, rules: dict[str, object]) -> None:
    server.schema("Size")["x-sizes"].update(rules)


mutant_table("REQ-3", fields.reject_if)(
    auto_size_rejected=Row("The size auto is rejected.", has_value("size", "auto")),
    only_square_sizes=Row(
        "The sizes 1536x1024 and 1024x1536 are rejected.",
        has_value("size", "1536x1024", "1024x1536"),
        level="inferred",
    ),
)
mutant_table("REQ-3", fields.replace_field("size"))(
    invalid_size_read_as_auto=Row(
        "A malformed size is read as auto.",
        if_type(str, lambda size: size if "x" in size else "auto"),
    ),
    text_after_size_ignored=Row(
        "The pattern of a size has no end: 1024x1024px is accepted.",
        if_type(str, lambda size: re.sub(r"^(auto|\d+x\d+).+", r"\1", size)),
    ),
    other_separators_in_size_accepted=Row(
        "1024*1024 is accepted as a size.",
        if_type(str, lambda size: re.sub(r"(?<=\d)[*:×](?=\d)", "x", size)),
    ),
    other_digits_in_size_accepted=Row(
        "Every Unicode digit is accepted in a size.",
        if_type(str, lambda size: re.sub(r"\d+", lambda digits: str(int(digits[0])), size)),
    ),
)
mutant_table("REQ-13", edit_size_rules, conforms_if_documented=True)(
    size_not_divisible_by_16_accepted=Row("Sides need not be divisible by 16.", {"multiple": 1}),
    any_ratio_accepted=Row(
        "Ratios beyond 3:1 and 1:3 are accepted.", {"widest": "12:1", "tallest": "1:12"}
    ),
    huge_sizes_accepted=Row("Sizes beyond 3840x2160 are accepted.", {"largest": "9984x9984"}),
    large_sizes_rejected=Row("Sizes beyond 2048x2048 are rejected.", {"largest": "2048x2048"}),
    ratio_3_to_1_rejected=Row(
        "Ratios of exactly 3:1 and 1:3 are rejected.", {"widest": "299:100", "tallest": "100:299"}
    ),
)
mutant_table("REQ-13", fields.reject_if, conforms_if_documented=True)(
    ratio_3_to_1_rejected_in_forms=Row(
        "In a form, ratios of exactly 3:1 and 1:3 are rejected.",
        lambda request: (
            request.media_type == FORM
            and request.values.get("size") in ("3072x1024", "1024x3072", "2208x736")
        ),
    )
)
mutant_table("REQ-13", fields.replace_field("size"), conforms_if_documented=True)(
    uppercase_x_in_size_accepted=Row("1024X1024 is accepted as a size.", if_type(str, str.lower)),
    whitespace_around_size_accepted=Row(
        "Whitespace around a size is removed.", if_type(str, str.strip)
    ),
)
mutant_table("REQ-4", fields.replace_field("quality"))(
    unknown_quality_read_as_auto=Row(
        "Every quality is read as auto.", if_type(str, lambda _: "auto")
    ),
    quality_case_ignored=Row("HIGH is accepted as high.", if_type(str, str.lower)),
    text_after_quality_ignored=Row(
        "The pattern of a quality has no end: highest is accepted as high.",
        if_type(str, lambda text: re.sub("^(auto|low|medium|high).+", r"\1", text)),
    ),
)
fields.field_table("REQ-4", partial(fields.mutate_schema, "quality"))(
    unknown_quality_accepted=Row("any quality is accepted.", remove("enum")),
    hd_quality_accepted=Row(
        "the qualities hd and standard are accepted.", extend("enum", "hd", "standard")
    ),
    tiers_accepted_as_quality=Row(
        "1K, 2K and 4K are accepted as qualities.", extend("enum", "1K", "2K", "4K")
    ),
)
mutant_table("REQ-4", fields.reject_if)(
    auto_quality_rejected=Row("Quality auto is rejected.", has_value("quality", "auto")),
    low_quality_rejected=Row("Quality low is rejected.", has_value("quality", "low")),
    medium_quality_rejected=Row("Quality medium is rejected.", has_value("quality", "medium")),
    high_quality_rejected=Row("Quality high is rejected.", has_value("quality", "high")),
)
fields.field_table("REQ-5", partial(fields.mutate_schema, "n"))(
    n_5_accepted=Row("n=5 is accepted.", update(maximum=5)),
    n_10_accepted=Row("n up to 10 is accepted, as by the provider.", update(maximum=10)),
    n_4_rejected=Row("n=4 is rejected.", update(maximum=3)),
)
fields.field_table("REQ-5", fields.mutate_values)(
    n_1_rejected=Row(
        "n=1 is rejected.", lambda values: values.update(n=0) if values.get("n", 1) == 1 else None
    )
)
fields.field_table("REQ-5", partial(fields.replace_field, "n"))(
    n_0_means_1=Row("n=0 generates one image.", lambda n: 1 if n == 0 else n),
    n_above_4_clamped=Row(
        "an n above 4 generates four images.", if_type(int, lambda n: min(n, _MAX_N))
    ),
    n_below_1_clamped=Row("an n below 1 generates one image.", if_type(int, lambda n: max(n, 1))),
)
mutant_table("REQ-5", fields.replace_field("n"))(
    negative_n_means_positive=Row("The sign of n is ignored: -2 means 2.", if_type(int, abs)),
    n_wraps_at_256=Row("n has 8 bits: 257 generates one image.", if_type(int, lambda n: n % 256)),
    n_ignored=Row(
        "One image is generated and charged for each valid n.", lambda n: 1 if n in (2, 3, 4) else n
    ),
)
mutant_table("REQ-5", fields.replace_field("n", JSON))(
    fractional_n_truncated=Row("In JSON, n=1.5 is accepted as 1.", if_type(float, int))
)
fields.field_table("REQ-5", partial(fields.replace_field, "n"))(
    text_after_n_ignored=Row(
        "n is read up to the first character that is no digit: 2abc is 2.",
        if_type(str, lambda text: int(digits[0]) if (digits := re.match("[1-4]", text)) else text),
    )
)
mutant_table("REQ-5", fields.crash_if)(
    n_out_of_range_crashes=Row("n=0 returns 500.", has_value("n", 0))
)


@mutant("REQ-5", "An n out of range returns 422.")
@responses.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
def n_out_of_range_is_422(response: Response, context: RequestContext) -> Response:
    n = context.body.values.get("n") if context.body else 1
    out_of_range = isinstance(n, int) and not 1 <= n <= _MAX_N
    return replace(response, status=422) if out_of_range else response


@mutant("REQ-5", "Every second n=5 is accepted and returns four images.")
def every_second_n_5_accepted(server: PatchedServer) -> None:
    second = every(2)
    fields.replace_field("n")(lambda n: _MAX_N if n == _MAX_N + 1 and second() else n)(server)


fields.field_table("REQ-11", partial(fields.mutate_schema, "prompt"), conforms_if_documented=True)(
    empty_prompt_accepted=Row("an empty prompt is accepted.", update(minLength=0)),
    overlong_prompt_accepted=Row(
        "a prompt over 32,000 characters is accepted.", remove("maxLength")
    ),
    long_prompt_rejected=Row("a prompt over 1,000 characters is rejected.", update(maxLength=1000)),
)
fields.field_table("REQ-11", fields.mutate_values, conforms_if_documented=True)(
    prompt_optional=Row("prompt is optional.", set_default(prompt="anything"))
)
mutant_table("REQ-11", fields.reject_if)(
    prompt_counted_in_bytes=Row(
        "The length of a prompt is counted in bytes.",
        lambda request: len(_prompt(request).encode()) > _MAX_PROMPT_BYTES,
    ),
    prompt_counted_in_utf_16=Row(
        "The length of a prompt is counted in units of UTF-16, as in JavaScript.",
        lambda request: len(_prompt(request).encode("utf-16-le")) // 2 > _MAX_PROMPT_UNITS,
    ),
    non_ascii_prompts_rejected=Row(
        "A prompt outside ASCII is rejected.", lambda request: not _prompt(request).isascii()
    ),
)
mutant_table("REQ-11", fields.crash_if)(
    emoji_crashes=Row(
        "A prompt with a character outside the basic multilingual plane returns 500.",
        lambda request: any(ord(letter) > _BASIC_PLANE for letter in _prompt(request)),
    )
)
