"""Mutants of missing fields, fields of another type and unknown fields (REQ-12, REQ-15)."""

from __future__ import annotations

from mockhub.mutants import fields, hooks
from mockhub.mutants.changes import if_type, set_default
from mockhub.mutants.hook import Hook
from mockhub.mutants.matching import Matches, lacks
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant_table
from mockhub.mutants.types import Json, ParsedRequest
from mockhub.spec.operations import FORM, JSON, OperationId

_TYPES = {"model": str, "prompt": str, "size": str, "quality": str, "n": int, "async": bool}

mutant_table("REQ-12", fields.mutate_values(), conforms_if_documented=True)(
    default_n_is_4=Row("Four images are generated without n.", set_default(n=4))
)
mutant_table("REQ-12", fields.mutate_values())(
    default_size_is_2k=Row("The default size is 2048x2048.", set_default(size="2048x2048"))
)
mutant_table("REQ-12", fields.reject_if, conforms_if_documented=True)(
    size_required=Row("A request without size is rejected.", lacks("size")),
    n_required=Row("A request without n is rejected.", lacks("n")),
)


@Hook
def reuse_last_value(server: PatchedServer, name: str) -> None:
    """Use the value of the last request that had a field in requests without it."""
    last: Json = {}

    @hooks.on_request_body.on(server)
    def reuse(request: ParsedRequest) -> None:
        if name in request.values:
            last[name] = request.values[name]
        request.values.update(last)


mutant_table("REQ-12", reuse_last_value)(
    n_carried_over=Row("The default of n is that of the last request with it.", "n"),
    async_carried_over=Row("The default of async is that of the last request with it.", "async"),
)
mutant_table("REQ-12", fields.replace_field("n", JSON), conforms_if_documented=True)(
    n_as_string_accepted=Row(
        'In JSON, n="2" is accepted as 2.',
        if_type(str, lambda text: int(text) if text.isdigit() else text),
    ),
    n_true_accepted=Row("In JSON, n=true is accepted as 1.", if_type(bool, int)),
)
mutant_table("REQ-12", fields.replace_field("async", JSON), conforms_if_documented=True)(
    async_as_string_accepted=Row(
        'In JSON, async="true" is accepted as true.', if_type(str, lambda text: text == "true")
    ),
    async_as_number_accepted=Row("In JSON, async=1 is accepted as true.", if_type(int, bool)),
)
mutant_table("REQ-12", fields.replace_field("prompt", JSON), conforms_if_documented=True)(
    prompt_as_number_accepted=Row("In JSON, a number is accepted as the prompt.", if_type(int, str))
)


mutant_table("REQ-12", fields.crash_if)(
    wrong_types_crash=Row(
        "In JSON, a field of another type returns 500.",
        lambda request: any(
            name in request.values and not isinstance(request.values[name], expected_type)
            for name, expected_type in _TYPES.items()
        ),
    )
)


@Hook
def on_unknown_field(server: PatchedServer, hook: Hook[Matches]) -> None:
    """Pass a function that matches requests with a field that is not documented to a hook."""
    bodies = server.spec.operations[OperationId.CREATE_GENERATION].bodies
    hook(lambda request: bool(request.values.keys() - bodies[request.media_type].fields.keys()))(
        server
    )


@Hook
def reject_beside_files(server: PatchedServer, matches: Matches) -> None:
    fields.reject_if(lambda request: bool(request.uploads) and matches(request))(server)


@Hook
def reject_in_form_tasks(server: PatchedServer, matches: Matches) -> None:
    fields.reject_if(
        lambda request: (
            request.media_type == FORM and "async" in request.values and matches(request)
        )
    )(server)


mutant_table("REQ-15", on_unknown_field, conforms_if_documented=True)(
    unknown_fields_rejected_in_form_tasks=Row(
        "In a form that is a task, a field that is not documented is rejected.",
        reject_in_form_tasks,
    ),
    unknown_fields_rejected=Row("A field that is not documented is rejected.", fields.reject_if),
    unknown_fields_rejected_beside_files=Row(
        "In a form with a file, a field that is not documented is rejected.",
        reject_beside_files,
    ),
)
mutant_table("REQ-15", on_unknown_field)(
    unknown_fields_crash=Row("A field that is not documented returns 500.", fields.crash_if)
)
