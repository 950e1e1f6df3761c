"""Defects of reference images: which files are taken, how many, and how large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mockhub.exceptions import ValidationError
from mockhub.mutants.defects.body_parsing import rewrite_body
from mockhub.mutants.form_files import Upload
from mockhub.mutants.hooks import replace_charge
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Level, mutant, mutant_table
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.spec.operations import FORM, JSON, OperationId

_ALLOWED_TYPES = ("image/png", "image/jpeg", "image/webp")
_ALLOWED_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
_MEGABYTE = 1024 * 1024


def accept_files_if(
    server: PatchedServer,
    accepts: Callable[[Sequence[Upload]], bool],
    *,
    enforce_size_limit: bool = True,
) -> None:
    """Take files where *good* says so of all of them, instead of by each one's content."""
    server.accept_any_file()

    @server.on_request_body
    def check(request: ParsedRequest) -> None:
        if request.uploads and not accepts(request.uploads):
            raise ValidationError("reference_image: expected PNG, JPEG or WebP")
        if enforce_size_limit and any(len(one.content) > 50 * _MEGABYTE for one in request.uploads):
            raise ValidationError("reference_image: too large")


def has_allowed_type(upload: Upload) -> bool:
    return upload.detected_type in _ALLOWED_TYPES


@mutant("REQ-8", "Files of any type are taken.")
def any_file_type_accepted(server: PatchedServer) -> None:
    accept_files_if(server, lambda files: True)


@mutant("REQ-8", "Of several files the first is looked at.")
def only_first_file_checked(server: PatchedServer) -> None:
    accept_files_if(server, lambda files: has_allowed_type(files[0]))


@mutant("REQ-8", "Of several files the last is looked at.")
def only_last_file_checked(server: PatchedServer) -> None:
    accept_files_if(server, lambda files: has_allowed_type(files[-1]))


@mutant("REQ-8", "Of several files one has to be an image.")
def one_valid_file_suffices(server: PatchedServer) -> None:
    accept_files_if(server, lambda files: any(map(has_allowed_type, files)))


@mutant("REQ-8", "GIF is taken too.")
def gif_accepted(server: PatchedServer) -> None:
    accept_files_if(
        server,
        lambda files: all(
            has_allowed_type(one) or one.detected_type == "image/gif" for one in files
        ),
    )


@mutant("REQ-8", "Whatever calls itself an image is taken, SVG and BMP too.")
def any_image_type_accepted(server: PatchedServer) -> None:
    accept_files_if(
        server, lambda files: all(one.declared_type.startswith("image/") for one in files)
    )


@mutant("REQ-8", "A file with nothing in it is taken.", level="inferred")
def empty_file_accepted(server: PatchedServer) -> None:
    accept_files_if(
        server, lambda files: all(has_allowed_type(one) or not one.content for one in files)
    )


def reject_media_type(media_type: str, description: str) -> None:
    name = media_type.partition("/")[2]
    mutant("REQ-8", name=f"{name}-rejected", description=description)(
        lambda server: accept_files_if(
            server,
            lambda files: all(
                has_allowed_type(one) and one.detected_type != media_type for one in files
            ),
        )
    )


reject_media_type("image/png", "PNG is refused.")
reject_media_type("image/jpeg", "JPEG is refused.")
reject_media_type("image/webp", "WebP is refused.")


@mutant("REQ-8", "A JPEG whose name ends in .jpg is refused; .jpeg is taken.")
def jpg_extension_rejected(server: PatchedServer) -> None:
    accept_files_if(
        server,
        lambda files: all(
            has_allowed_type(one) and not one.filename.endswith(".jpg") for one in files
        ),
    )


@mutant("REQ-8", "A JPEG whose name ends in .jpeg is refused; .jpg is taken.")
def jpeg_extension_rejected(server: PatchedServer) -> None:
    accept_files_if(
        server,
        lambda files: all(
            has_allowed_type(one) and not one.filename.endswith(".jpeg") for one in files
        ),
    )


@mutant("REQ-17", "A file's name decides its type.", conforms_if_documented=True)
def file_type_from_name(server: PatchedServer) -> None:
    accept_files_if(
        server,
        lambda files: all(one.filename.lower().endswith(_ALLOWED_EXTENSIONS) for one in files),
    )


@mutant("REQ-17", "A file's declared type decides it.", conforms_if_documented=True)
def file_type_from_content_type(server: PatchedServer) -> None:
    accept_files_if(server, lambda files: all(one.declared_type in _ALLOWED_TYPES for one in files))


@mutant(
    "REQ-17",
    "A file is refused unless its name, its declared type and its content agree.",
    conforms_if_documented=True,
)
def file_name_type_and_content_must_agree(server: PatchedServer) -> None:
    def agree(one: Upload) -> bool:
        extension = one.filename.lower().replace(".jpg", ".jpeg").rpartition(".")[2]
        return (
            has_allowed_type(one) and one.declared_type == one.detected_type == f"image/{extension}"
        )

    accept_files_if(server, lambda files: all(map(agree, files)))


def limit_file_count(server: PatchedServer, max_files: int) -> None:
    """Take *most* files."""

    @server.on_request_body
    def count(request: ParsedRequest) -> None:
        if len(request.uploads) > max_files:
            raise ValidationError(f"reference_image: at most {max_files}")


@mutant("REQ-7", "Seventeen reference images are taken.")
def seventeen_references_accepted(server: PatchedServer) -> None:
    override_reference_limit(server, 17)


@mutant("REQ-7", "Any number of reference images is taken.")
def any_number_of_references_accepted(server: PatchedServer) -> None:
    override_reference_limit(server, 1000)


@mutant("REQ-7", "Sixteen reference images are refused.")
def sixteen_references_rejected(server: PatchedServer) -> None:
    limit_file_count(server, 15)


@mutant("REQ-7", "More than four reference images are refused, as if they were counted like n.")
def at_most_four_references(server: PatchedServer) -> None:
    limit_file_count(server, 4)


@mutant("REQ-7", "More than one reference image is refused.")
def at_most_one_reference(server: PatchedServer) -> None:
    limit_file_count(server, 1)


@mutant("REQ-7", "Only files that differ are counted: seventeen copies of one are taken.")
def duplicate_references_not_counted(server: PatchedServer) -> None:
    override_reference_limit(server, 1000)

    @server.on_request_body
    def count(request: ParsedRequest) -> None:
        if len({one.content for one in request.uploads}) > 16:  # noqa: PLR2004
            raise ValidationError("reference_image: at most 16")


@mutant("REQ-7", "Seventeen reference images answer 500.")
def seventeen_references_crash(server: PatchedServer) -> None:
    @server.on_request_body
    def crash(request: ParsedRequest) -> None:
        if len(request.uploads) > 16:  # noqa: PLR2004
            raise RuntimeError("Too many files")


def override_reference_limit(server: PatchedServer, limit: int) -> None:
    """Count against another limit than the one that is listed."""
    server.model["reference_image_limit"] = limit

    @server.mutate_json("list_models", status=200)
    def rewrite(content: Any, context: Any) -> None:
        content["data"][0]["reference_image_limit"] = 16


def limit_file_size(server: PatchedServer, max_bytes: int, *, combined: bool = False) -> None:
    """Refuse files of more than *most* bytes, each or together."""

    @server.on_request_body
    def check(request: ParsedRequest) -> None:
        sizes = [len(one.content) for one in request.uploads] or [0]
        if (sum(sizes) if combined else max(sizes)) > max_bytes:
            raise ValidationError("reference_image: too large")


@mutant("REQ-9", "A reference image of more than a megabyte is refused.")
def reference_over_1_mb_rejected(server: PatchedServer) -> None:
    limit_file_size(server, _MEGABYTE)


@mutant("REQ-9", "A reference image of more than five megabytes is refused.")
def reference_over_5_mb_rejected(server: PatchedServer) -> None:
    limit_file_size(server, 5 * _MEGABYTE)


@mutant("REQ-9", "A reference image of more than 50 MB is taken.")
def reference_over_50_mb_accepted(server: PatchedServer) -> None:
    accept_files_if(
        server, lambda files: all(map(has_allowed_type, files)), enforce_size_limit=False
    )


@mutant("REQ-6", "A reference image in JSON is taken and dropped, and the request charged.")
def reference_in_json_ignored(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.pop("reference_image", 0) and None
            if request.media_type == JSON
            else None
        )
    )


@mutant("REQ-6", "A reference image in JSON is taken where it is an address.")
def reference_url_in_json_accepted(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.pop("reference_image") and None
            if request.media_type == JSON
            and str(request.values.get("reference_image")).startswith(("http", "data:"))
            else None
        )
    )


@mutant("GEN-9", "Each reference image beyond the first costs as much as an image.")
def references_charged_as_images(server: PatchedServer) -> None:
    server.on_quote(
        lambda quote, request: quote._replace(
            credits_per_image=quote.credits_per_image * max(1, len(request.references))
        )
    )


def mutate_form_with_files(
    name: str,
    clause: str,
    description: str,
    change: Callable[[ParsedRequest], object],
    level: Level | None = None,
) -> None:
    mutant(clause, name=name, description=description, level=level)(
        lambda server: server.on_request_body(
            lambda request: (
                change(request) and None if request.media_type == FORM and request.uploads else None
            )
        )
    )


def _reject_multiple_images(request: ParsedRequest) -> None:
    if str(request.values.get("n", 1)) != "1":
        raise ValidationError("n: expected 1 where there are reference images")


def _reject_async(request: ParsedRequest) -> None:
    if request.values.get("async"):
        raise ValidationError("async: not offered where there are reference images")


mutate_form_with_files(
    "references-require-n-1",
    "GEN-9",
    "With a reference image n has to be 1.",
    _reject_multiple_images,
)
mutate_form_with_files(
    "references-require-sync",
    "GEN-9",
    "With a reference image async is refused.",
    _reject_async,
    "inferred",
)
mutate_form_with_files(
    "references-ignore-size",
    "GEN-9",
    "With a reference image the size is not looked at.",
    lambda request: request.values.update(size="1024x1024"),
)
mutate_form_with_files(
    "references-ignore-n",
    "GEN-9",
    "With a reference image n is not looked at.",
    lambda request: request.values.update(n=1),
)


@mutant("GEN-9", "With a reference image the answer's object is image_edit.")
def references_object_is_image_edit(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: Any) -> None:
        if context.parsed_request and context.parsed_request.references:
            content["object"] = "image_edit"


@mutant("GEN-9", "With a reference image the answer has neither usage nor balance.")
def references_without_usage_and_balance(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def rewrite(content: Any, context: Any) -> None:
        if context.parsed_request and context.parsed_request.references:
            del content["usage"], content["balance"]


@mutant("REQ-8", "A reference image that is a text is taken, and not looked at.", level="inferred")
def reference_as_text_accepted(server: PatchedServer) -> None:
    text = b'name="reference_image"\r\n\r\n'
    rewrite_body(server, lambda raw, headers: raw.replace(text, b'name="note"\r\n\r\n'))


mutant_table("GEN-9", replace_charge)(
    references_cost_extra=(
        "Each reference image costs a credit that is not in the price list.",
        lambda credits, generation: credits + len(generation.request.references),
    ),
)
