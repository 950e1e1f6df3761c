"""Defects of n, and of how a form's fields are read."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mockhub.exceptions import ValidationError
from mockhub.mutants.field_mutants import for_each_media_type, mutate_field
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.spec.operations import FORM, OperationId

for_each_media_type("n-5-accepted", "REQ-5", "n=5 is taken.", lambda n: n.update(maximum=5))
for_each_media_type(
    "n-10-accepted", "REQ-5", "n goes up to 10, as upstream.", lambda n: n.update(maximum=10)
)
for_each_media_type("n-4-rejected", "REQ-5", "n=4 is refused.", lambda n: n.update(maximum=3))
mutate_field(
    "n-1-rejected",
    "REQ-5",
    "n=1 is refused.",
    lambda values: values.update(n=0) if values.get("n", 1) == 1 else None,
)
mutate_field(
    "n-0-means-1",
    "REQ-5",
    "n=0 is taken for one image.",
    lambda values: values.update(n=values.get("n") or 1) if values.get("n") == 0 else None,
)
mutate_field(
    "n-above-4-clamped",
    "REQ-5",
    "n above 4 gives four images.",
    lambda values: (
        values.update(n=4)
        if isinstance(values.get("n"), int) and values["n"] > 4  # noqa: PLR2004
        else None
    ),
)
mutate_field(
    "n-below-1-clamped",
    "REQ-5",
    "n below 1 gives one image.",
    lambda values: (
        values.update(n=1) if isinstance(values.get("n"), int) and values["n"] < 1 else None
    ),
)


@mutant("REQ-5", "The sign of n is dropped: -2 gives two images.")
def negative_n_means_positive(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update(n=abs(request.values["n"]))
            if isinstance(request.values.get("n"), int)
            and not isinstance(request.values["n"], bool)
            else None
        )
    )


@mutant("REQ-5", "n=5 is refused with 422.")
def n_out_of_range_is_422(server: PatchedServer) -> None:
    @server.on_response(OperationId.CREATE_GENERATION, code="invalid_request")
    def rewrite(response: Any, context: Any) -> Any:
        n = context.body.values.get("n") if context.body else 1
        out_of_range = isinstance(n, int) and not 1 <= n <= 4  # noqa: PLR2004
        return replace(response, status=422) if out_of_range else response


@mutant("REQ-5", "n=0 is not refused but divided by, which answers 500.")
def n_out_of_range_crashes(server: PatchedServer) -> None:
    @server.on_request_body
    def divide(request: ParsedRequest) -> None:
        n = request.values.get("n", 1)
        if isinstance(n, int):
            _ = 1 // n


@mutant("REQ-5", "n is kept in 8 bits: 257 is one image.")
def n_wraps_at_256(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update(n=request.values["n"] % 256)
            if isinstance(request.values.get("n"), int)
            else None
        )
    )


@mutant("REQ-5", "One image is made, charged and answered, whatever n is.")
def n_ignored(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: request.values.update(n=1) if request.values.get("n") in (2, 3, 4) else None
    )


@mutant("REQ-16", "A form's n is not looked at: one image is made.")
def n_ignored_in_forms(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: request.values.pop("n", 0) and None if request.media_type == FORM else None
    )


@mutant("REQ-16", "A form's async is not looked at.")
def async_ignored_in_forms(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.pop("async", 0) and None if request.media_type == FORM else None
        )
    )


@mutant("REQ-16", "A form's async=false is taken for true, being a text that is not empty.")
def any_string_is_true_in_forms(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update({"async": True})
            if request.media_type == FORM and "async" in request.values
            else None
        )
    )


@mutant("REQ-16", "A form's n is refused for being a text.")
def form_numbers_rejected(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if request.media_type == FORM and "n" in request.values:
            raise ValidationError("n: expected an integer")
