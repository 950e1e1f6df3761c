"""Mutants of reference images: formats, number and size (REQ-6 to REQ-9, REQ-17, GEN-9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mockhub.mutants import fields, hooks, responses
from mockhub.mutants.changes import remove, update
from mockhub.mutants.defects.body_parsing import rewrite_body
from mockhub.mutants.form_files import Upload
from mockhub.mutants.hook import Hook, when
from mockhub.mutants.matching import Matches, has_references, is_task
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Json, ParsedRequest, RequestContext
from mockhub.spec.operations import FORM, JSON, OperationId

AcceptsFiles = Callable[[Sequence[Upload]], bool]
AcceptsFile = Callable[[Upload], bool]

_ALLOWED_TYPES = ("image/png", "image/jpeg", "image/webp")
_ALLOWED_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
_MAX_PARTS = 21  # of a form, for a server with such a limit
_MEGABYTE = 1024 * 1024
_MAX_BYTES = 50 * _MEGABYTE
_MAX_FILES = 16


@Hook
def accept_any_size_if(server: PatchedServer, accepts: AcceptsFiles) -> None:
    """Validate the files of a form only with a function."""
    server.request_reader.accept_any_file = True
    fields.reject_if(lambda request: bool(request.uploads) and not accepts(request.uploads))(server)


@Hook
def accept_files_if(server: PatchedServer, accepts: AcceptsFiles) -> None:
    """Validate the files of a form with a function instead of by the content of each."""
    accept_any_size_if(accepts)(server)
    limit_file_size(_MAX_BYTES)(server)


@Hook
def accept_each_file_if(server: PatchedServer, accepts: AcceptsFile) -> None:
    """Validate each file of a form with a function instead of by its content."""
    accept_files_if(lambda files: all(map(accepts, files)))(server)


@Hook
def limit_file_size(server: PatchedServer, max_bytes: int) -> None:
    fields.reject_if(
        lambda request: any(len(file.content) > max_bytes for file in request.uploads)
    )(server)


def is_allowed(file: Upload) -> bool:
    return file.detected_type in _ALLOWED_TYPES


def is_allowed_except(media_type: str) -> AcceptsFile:
    return lambda file: is_allowed(file) and file.detected_type != media_type


def is_allowed_except_named(extension: str) -> AcceptsFile:
    return lambda file: is_allowed(file) and not file.filename.endswith(extension)


def _name_type_and_content_agree(file: Upload) -> bool:
    extension = file.filename.lower().replace(".jpg", ".jpeg").rpartition(".")[2]
    return is_allowed(file) and file.declared_type == file.detected_type == f"image/{extension}"


mutant_table("REQ-8", accept_files_if)(
    any_file_type_accepted=Row("Files of any type are accepted.", lambda files: True),
    only_first_file_checked=Row(
        "Only the first of several files is validated.", lambda files: is_allowed(files[0])
    ),
    only_last_file_checked=Row(
        "Only the last of several files is validated.", lambda files: is_allowed(files[-1])
    ),
    further_files_must_not_be_other_images=Row(
        "After the first file, any that is not declared as an image is accepted.",
        lambda files: (
            is_allowed(files[0])
            and all(is_allowed(one) or "image/" not in one.declared_type for one in files[1:])
        ),
    ),
    one_valid_file_suffices=Row(
        "One valid file among several is enough.", lambda files: any(map(is_allowed, files))
    ),
)
mutant_table("REQ-9", accept_files_if)(
    files_together_limited=Row(
        "All files of a form together must not be larger than 50 MB.",
        lambda files: (
            all(map(is_allowed, files)) and sum(len(file.content) for file in files) <= _MAX_BYTES
        ),
    )
)
mutant_table("REQ-8", accept_each_file_if)(
    gif_accepted=Row(
        "GIF is accepted too.", lambda file: is_allowed(file) or file.detected_type == "image/gif"
    ),
    any_image_type_accepted=Row(
        "Any image type in the headers of a file is accepted.",
        lambda file: file.declared_type.startswith("image/"),
    ),
    png_rejected=Row("PNG is rejected.", is_allowed_except("image/png")),
    jpeg_rejected=Row("JPEG is rejected.", is_allowed_except("image/jpeg")),
    webp_rejected=Row("WebP is rejected.", is_allowed_except("image/webp")),
    jpg_extension_rejected=Row("A JPEG named .jpg is rejected.", is_allowed_except_named(".jpg")),
    jpeg_extension_rejected=Row(
        "A JPEG named .jpeg is rejected.", is_allowed_except_named(".jpeg")
    ),
    exif_rejected=Row(
        "A JPEG that begins with Exif is rejected.",
        lambda file: is_allowed(file) and not file.content.startswith(b"\xff\xd8\xff\xe1"),
    ),
    lossy_webp_rejected=Row(
        "A lossy WebP is rejected.",
        lambda file: is_allowed(file) and file.content[12:16] != b"VP8 ",
    ),
    empty_file_accepted=Row(
        "An empty file is accepted.",
        lambda file: is_allowed(file) or not file.content,
        level="inferred",
    ),
)
mutant_table("REQ-8", rewrite_body)(
    reference_as_text_accepted=Row(
        "A text field named reference_image is accepted and ignored.",
        lambda raw, headers: raw.replace(b'name="reference_image"\r\n\r\n', b'name="note"\r\n\r\n'),
        level="inferred",
    )
)
mutant_table("REQ-17", accept_each_file_if, conforms_if_documented=True)(
    file_type_from_name=Row(
        "The format of a file is detected by its name.",
        lambda file: file.filename.lower().endswith(_ALLOWED_EXTENSIONS),
    ),
    file_type_from_content_type=Row(
        "The format of a file is detected by its Content-Type header.",
        lambda file: file.declared_type in _ALLOWED_TYPES,
    ),
    file_name_type_and_content_must_agree=Row(
        "The name, Content-Type and content of a file must agree.", _name_type_and_content_agree
    ),
)


@Hook
def override_reference_limit(server: PatchedServer, limit: int) -> None:
    """Accept more reference images than the list says."""
    server.model["reference_image_limit"] = limit

    @responses.mutate_json(OperationId.LIST_MODELS, status=200).on(server)
    def restore(content: Json, context: RequestContext) -> None:
        content["data"][0]["reference_image_limit"] = _MAX_FILES


def more_files_than(max_files: int) -> Matches:
    return lambda request: len(request.uploads) > max_files


mutant_table("REQ-7", override_reference_limit)(
    seventeen_references_accepted=Row("17 reference images are accepted.", _MAX_FILES + 1),
    any_number_of_references_accepted=Row("Any number of reference images is accepted.", 1000),
)
mutant_table("REQ-7", fields.reject_if)(
    sixteen_references_rejected=Row("16 reference images are rejected.", more_files_than(15)),
    at_most_four_references=Row("More than four references are rejected.", more_files_than(4)),
    at_most_one_reference=Row("More than one reference image is rejected.", more_files_than(1)),
)
mutant_table("REQ-7", fields.reject_if)(
    at_most_21_form_parts=Row(
        "A form of more than 21 parts is rejected, as 16 reference images with all fields.",
        lambda request: len(request.values) + len(request.uploads) > _MAX_PARTS,
    )
)
mutant_table("REQ-7", fields.crash_if)(
    seventeen_references_crash=Row("17 reference images return 500.", more_files_than(_MAX_FILES))
)


@mutant("REQ-7", "Tasks accept any number of reference images.")
def any_number_of_references_of_tasks_accepted(server: PatchedServer) -> None:
    override_reference_limit(1000)(server)
    too_many = more_files_than(_MAX_FILES)
    fields.reject_if(lambda request: too_many(request) and not request.values.get("async"))(server)


@mutant("REQ-7", "Copies are not counted: the same reference image is accepted 17 times.")
def duplicate_references_not_counted(server: PatchedServer) -> None:
    override_reference_limit(1000)(server)
    fields.reject_if(lambda request: len({file.content for file in request.uploads}) > _MAX_FILES)(
        server
    )


mutant_table("REQ-9", limit_file_size)(
    reference_over_1_mb_rejected=Row("A reference image over 1 MB is rejected.", _MEGABYTE),
    reference_over_5_mb_rejected=Row("A reference image over 5 MB is rejected.", 5 * _MEGABYTE),
)
mutant_table("REQ-9", accept_any_size_if)(
    reference_over_50_mb_accepted=Row(
        "A reference image over 50 MB is accepted.", lambda files: all(map(is_allowed, files))
    ),
    second_reference_over_50_mb_accepted=Row(
        "Only the size of the first file is checked.",
        lambda files: all(map(is_allowed, files)) and len(files[0].content) <= _MAX_BYTES,
    ),
    last_reference_alone_limited=Row(
        "Only the size of the last file is checked.",
        lambda files: all(map(is_allowed, files)) and len(files[-1].content) <= _MAX_BYTES,
    ),
)
mutant_table("REQ-9", fields.crash_if)(
    large_file_of_task_crashes=Row(
        "A task with a reference image over 1 MB returns 500.",
        lambda request: (
            is_task(request) and any(len(file.content) > _MEGABYTE for file in request.uploads)
        ),
    )
)
mutant_table("REQ-9", responses.on_response(OperationId.CREATE_GENERATION, status=400))(
    large_file_rejected_with_text=Row(
        "The error of a file over 50 MB is plain text.",
        lambda response, context: (
            responses.with_body(response, b"File too large", "text/plain")
            if int(context.headers.get(b"content-length", b"0")) > _MAX_BYTES
            else response
        ),
    ),
)
mutant_table("REQ-6", fields.mutate_values(JSON))(
    reference_in_json_ignored=Row(
        "A reference image in JSON is ignored and charged.", remove("reference_image")
    ),
    reference_url_in_json_accepted=Row(
        "The URL of a reference image in JSON is accepted.",
        lambda values: (
            values.pop("reference_image")
            if str(values.get("reference_image")).startswith(("http", "data:"))
            else None
        ),
    ),
)


@hooks.on_request_body.adapted
def mutate_values_with_files(change: Callable[[Json], object], request: ParsedRequest) -> None:
    if request.media_type == FORM and request.uploads:
        change(request.values)


mutant_table("GEN-9", mutate_values_with_files)(
    references_ignore_size=Row("With references, size is ignored.", update(size="1024x1024")),
    references_ignore_n=Row("With references, n is ignored.", update(n=1)),
)
mutant_table("GEN-9", fields.reject_if)(
    references_require_n_1=Row(
        "With a reference image, n must be 1.",
        lambda request: bool(request.uploads) and request.values.get("n", 1) != 1,
    ),
    references_require_sync=Row(
        "With a reference image, async is rejected.",
        lambda request: bool(request.uploads) and bool(request.values.get("async")),
        level="inferred",
    ),
)
mutant_table("GEN-9", when(has_references, responses.mutate_result))(
    references_object_is_image_edit=Row(
        "With a reference image, the object is image_edit.", update(object="image_edit")
    ),
    references_without_usage_and_balance=Row(
        "With a reference image, the response lacks usage and balance.", remove("usage", "balance")
    ),
)
mutant_table("GEN-9", hooks.replace_price)(
    references_charged_as_images=Row(
        "Each reference image after the first is charged like an image.",
        lambda price, request: price * max(1, len(request.references)),
    )
)
mutant_table("GEN-9", hooks.replace_charge)(
    references_cost_extra=Row(
        "Each reference image costs a credit that is not in the price list.",
        lambda credits, generation: credits + len(generation.request.references),
    )
)
