"""Mutants of missing fields, fields of another type and unknown fields (REQ-12, REQ-15)."""

from __future__ import annotations

from mockhub.mutants.field_mutants import (
    Matches,
    crash_if,
    if_type,
    lacks,
    mutate_values,
    reject_if,
    replace_field,
)
from mockhub.mutants.hooks import hook
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import Json
from mockhub.spec.operations import JSON, OperationId

_TYPES = {"model": str, "prompt": str, "size": str, "quality": str, "n": int, "async": bool}

# -- missing fields ------------------------------------------------------------------------------

mutant_table("REQ-12", mutate_values(), conforms_if_documented=True)(
    default_n_is_4=(
        "Four images are generated without n.",
        lambda values: values.setdefault("n", 4),
    ),
)
mutant_table("REQ-12", mutate_values())(
    default_size_is_2k=(
        "The default size is 2048x2048.",
        lambda values: values.setdefault("size", "2048x2048"),
    ),
)
mutant_table("REQ-12", reject_if, conforms_if_documented=True)(
    size_required=("A request without size is rejected.", lacks("size")),
    n_required=("A request without n is rejected.", lacks("n")),
)


@hook
def reuse_last_value(server: PatchedServer, name: str) -> None:
    """Use the value of the last request that had a field in requests without it."""
    last: Json = {}

    @server.on_request_body
    def reuse(request: ParsedRequest) -> None:
        if name in request.values:
            last[name] = request.values[name]
        request.values.update(last)


mutant_table("REQ-12", reuse_last_value)(
    n_carried_over=("The default of n is the n of the last request that had one.", "n"),
    async_carried_over=(
        "The default of async is the async of the last request that had one.",
        "async",
    ),
)

# -- fields of another type ----------------------------------------------------------------------

mutant_table("REQ-12", replace_field("n", JSON), conforms_if_documented=True)(
    n_as_string_accepted=(
        'In JSON, n="2" is accepted as 2.',
        if_type(str, lambda text: int(text) if text.isdigit() else text),
    ),
    n_true_accepted=("In JSON, n=true is accepted as 1.", if_type(bool, int)),
)
mutant_table("REQ-12", replace_field("async", JSON), conforms_if_documented=True)(
    async_as_string_accepted=(
        'In JSON, async="true" is accepted as true.',
        if_type(str, lambda text: text == "true"),
    ),
    async_as_number_accepted=("In JSON, async=1 is accepted as true.", if_type(int, bool)),
)
mutant_table("REQ-12", replace_field("prompt", JSON), conforms_if_documented=True)(
    prompt_as_number_accepted=(
        "In JSON, a number is accepted as the prompt.",
        if_type(int, str),
    ),
)


@mutant("REQ-12", "In JSON, null is accepted as a missing field.", conforms_if_documented=True)
@mutate_values()
def nulls_accepted(values: Json) -> None:
    for name in [name for name, value in values.items() if value is None]:
        del values[name]


mutant_table("REQ-12", crash_if)(
    wrong_types_crash=(
        "In JSON, a field of another type returns 500.",
        lambda request: any(
            name in request.values and not isinstance(request.values[name], expected_type)
            for name, expected_type in _TYPES.items()
        ),
    ),
)

# -- unknown fields ------------------------------------------------------------------------------


def has_unknown_field(server: PatchedServer) -> Matches:
    """Return a function that matches requests with a field that is not documented."""
    bodies = server.spec.operations[OperationId.CREATE_GENERATION].bodies
    return lambda request: bool(request.values.keys() - bodies[request.media_type].fields.keys())


@mutant("REQ-15", "A field that is not documented is rejected.", conforms_if_documented=True)
def unknown_fields_rejected(server: PatchedServer) -> None:
    reject_if(has_unknown_field(server))(server)


@mutant("REQ-15", "A field that is not documented returns 500.")
def unknown_fields_crash(server: PatchedServer) -> None:
    crash_if(has_unknown_field(server))(server)
