"""Defects of fields that are left out, of another type, or not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.exceptions import ValidationError
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.spec.operations import JSON, OperationId


def set_default(server: PatchedServer, name: str, value: object) -> None:
    """Read a field that was left out as *value*."""
    server.on_request_body(lambda request: request.values.setdefault(name, value) and None)


@mutant("REQ-12", "Without n four images are made.", conforms_if_documented=True)
def default_n_is_4(server: PatchedServer) -> None:
    set_default(server, "n", 4)


@mutant("REQ-12", "Without a size 2048x2048 is made.")
def default_size_is_2k(server: PatchedServer) -> None:
    set_default(server, "size", "2048x2048")


@mutant("REQ-12", "A request without a size is refused.", conforms_if_documented=True)
def size_required(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if "size" not in request.values:
            raise ValidationError("size is missing")


@mutant("REQ-12", "A request without n is refused.", conforms_if_documented=True)
def n_required(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        if "n" not in request.values:
            raise ValidationError("n is missing")


def coerce_type(
    server: PatchedServer, name: str, kind: type, change: Callable[[Any], object]
) -> None:
    """Take another JSON type for a field by changing its value."""

    @server.on_request_body
    def coerce(request: ParsedRequest) -> None:
        value = request.values.get(name)
        if request.media_type == JSON and type(value) is kind:
            request.values[name] = change(value)


@mutant("REQ-12", 'In JSON, n="2" is taken for 2.', conforms_if_documented=True)
def n_as_string_accepted(server: PatchedServer) -> None:
    coerce_type(server, "n", str, lambda text: int(text) if text.isdigit() else text)


@mutant("REQ-5", "In JSON, n=1.5 is taken for 1.")
def fractional_n_truncated(server: PatchedServer) -> None:
    coerce_type(server, "n", float, int)


@mutant("REQ-12", "In JSON, n=true is taken for 1.", conforms_if_documented=True)
def n_true_accepted(server: PatchedServer) -> None:
    coerce_type(server, "n", bool, int)


@mutant(
    "REQ-12",
    "In JSON, a field that is null is taken for one that was left out.",
    conforms_if_documented=True,
)
def nulls_accepted(server: PatchedServer) -> None:
    @server.on_request_body
    def drop(request: ParsedRequest) -> None:
        for name in [name for name, value in request.values.items() if value is None]:
            del request.values[name]


@mutant("REQ-12", 'In JSON, async="true" is taken for true.', conforms_if_documented=True)
def async_as_string_accepted(server: PatchedServer) -> None:
    coerce_type(server, "async", str, lambda text: text == "true")


@mutant("REQ-12", "In JSON, async=1 is taken for true.", conforms_if_documented=True)
def async_as_number_accepted(server: PatchedServer) -> None:
    coerce_type(server, "async", int, bool)


@mutant("REQ-12", "In JSON, a prompt that is a number is written out.", conforms_if_documented=True)
def prompt_as_number_accepted(server: PatchedServer) -> None:
    coerce_type(server, "prompt", int, str)


@mutant("REQ-12", "In JSON, a field of another type answers 500.")
def wrong_types_crash(server: PatchedServer) -> None:
    types = {"model": str, "prompt": str, "size": str, "quality": str, "n": int, "async": bool}

    @server.on_request_body
    def crash(request: ParsedRequest) -> None:
        for name, kind in types.items():
            if not isinstance(request.values.get(name, kind()), kind):
                raise TypeError(f"{name} is no {kind.__name__}")


@mutant("REQ-15", "A field that is not documented is refused.", conforms_if_documented=True)
def unknown_fields_rejected(server: PatchedServer) -> None:
    @server.on_request_body
    def reject(request: ParsedRequest) -> None:
        known = (
            server.spec.operations[OperationId.CREATE_GENERATION].bodies[request.media_type].fields
        )
        if unknown := [name for name in request.values if name not in known]:
            raise ValidationError(f"{unknown[0]}: unknown field")


@mutant("REQ-15", "A field that is not documented answers 500.")
def unknown_fields_crash(server: PatchedServer) -> None:
    @server.on_request_body
    def crash(request: ParsedRequest) -> None:
        known = (
            server.spec.operations[OperationId.CREATE_GENERATION].bodies[request.media_type].fields
        )
        if any(name not in known for name in request.values):
            raise TypeError("unexpected keyword argument")


def reuse_last_value(server: PatchedServer, name: str) -> None:
    """Read a field that was left out as the last request's."""
    last: dict[str, object] = {}

    @server.on_request_body
    def reuse(request: ParsedRequest) -> None:
        if name in request.values:
            last[name] = request.values[name]
        elif name in last:
            request.values[name] = last[name]


@mutant("REQ-12", "Without n, as many images are made as the last request asked for.")
def n_carried_over(server: PatchedServer) -> None:
    reuse_last_value(server, "n")


@mutant("REQ-12", "Without async, a request waits or not as the last one did that said so.")
def async_carried_over(server: PatchedServer) -> None:
    reuse_last_value(server, "async")
