"""Mutants of reference images: formats, number and size (REQ-6 to REQ-9, REQ-17, GEN-9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mockhub.mutants.defects.body_parsing import rewrite_body
from mockhub.mutants.field_mutants import Matches, crash_if, mutate_values, reject_if
from mockhub.mutants.form_files import Upload
from mockhub.mutants.hooks import hook, on_quote, remove, replace_charge, update
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.request_hook import ParsedRequest
from mockhub.mutants.responses import Json
from mockhub.spec.operations import FORM, JSON, OperationId
from mockhub.web.context import RequestContext

AcceptsFiles = Callable[[Sequence[Upload]], bool]
AcceptsFile = Callable[[Upload], bool]

_ALLOWED_TYPES = ("image/png", "image/jpeg", "image/webp")
_ALLOWED_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
_MEGABYTE = 1024 * 1024
_MAX_BYTES = 50 * _MEGABYTE
_MAX_FILES = 16

# -- formats -------------------------------------------------------------------------------------


@hook
def accept_any_size_if(server: PatchedServer, accepts: AcceptsFiles) -> None:
    """Validate the files of a form only with a function."""
    server.accept_any_file()
    reject_if(lambda request: bool(request.uploads) and not accepts(request.uploads))(server)


@hook
def accept_files_if(server: PatchedServer, accepts: AcceptsFiles) -> None:
    """Validate the files of a form with a function instead of by the content of each."""
    accept_any_size_if(accepts)(server)
    limit_file_size(_MAX_BYTES)(server)


@hook
def accept_each_file_if(server: PatchedServer, accepts: AcceptsFile) -> None:
    """Validate each file of a form with a function instead of by its content."""
    accept_files_if(lambda files: all(map(accepts, files)))(server)


@hook
def limit_file_size(server: PatchedServer, max_bytes: int) -> None:
    """Reject a form with a file of more than *max_bytes*."""
    reject_if(lambda request: any(len(one.content) > max_bytes for one in request.uploads))(server)


def has_allowed_type(upload: Upload) -> bool:
    return upload.detected_type in _ALLOWED_TYPES


def is_allowed_except(media_type: str) -> AcceptsFile:
    return lambda file: has_allowed_type(file) and file.detected_type != media_type


def _name_type_and_content_agree(upload: Upload) -> bool:
    extension = upload.filename.lower().replace(".jpg", ".jpeg").rpartition(".")[2]
    declared_type, detected_type = upload.declared_type, upload.detected_type
    return has_allowed_type(upload) and declared_type == detected_type == f"image/{extension}"


mutant_table("REQ-8", accept_files_if)(
    any_file_type_accepted=("Files of any type are accepted.", lambda files: True),
    only_first_file_checked=(
        "Only the first of several files is validated.",
        lambda files: has_allowed_type(files[0]),
    ),
    only_last_file_checked=(
        "Only the last of several files is validated.",
        lambda files: has_allowed_type(files[-1]),
    ),
    one_valid_file_suffices=(
        "One valid file among several is enough.",
        lambda files: any(map(has_allowed_type, files)),
    ),
)
mutant_table("REQ-8", accept_each_file_if)(
    gif_accepted=(
        "GIF is accepted too.",
        lambda file: has_allowed_type(file) or file.detected_type == "image/gif",
    ),
    any_image_type_accepted=(
        "Files with any image type in their headers are accepted, such as SVG and BMP.",
        lambda file: file.declared_type.startswith("image/"),
    ),
    png_rejected=("PNG is rejected.", is_allowed_except("image/png")),
    jpeg_rejected=("JPEG is rejected.", is_allowed_except("image/jpeg")),
    webp_rejected=("WebP is rejected.", is_allowed_except("image/webp")),
    jpg_extension_rejected=(
        "A JPEG whose name ends in .jpg is rejected; .jpeg is accepted.",
        lambda file: has_allowed_type(file) and not file.filename.endswith(".jpg"),
    ),
    jpeg_extension_rejected=(
        "A JPEG whose name ends in .jpeg is rejected; .jpg is accepted.",
        lambda file: has_allowed_type(file) and not file.filename.endswith(".jpeg"),
    ),
)
mutant_table("REQ-8", accept_each_file_if, level="inferred")(
    empty_file_accepted=(
        "An empty file is accepted.",
        lambda file: has_allowed_type(file) or not file.content,
    ),
)
mutant_table("REQ-8", rewrite_body, level="inferred")(
    reference_as_text_accepted=(
        "A text field named reference_image is accepted and ignored.",
        lambda raw, headers: raw.replace(b'name="reference_image"\r\n\r\n', b'name="note"\r\n\r\n'),
    ),
)
mutant_table("REQ-17", accept_each_file_if, conforms_if_documented=True)(
    file_type_from_name=(
        "The format of a file is detected by its name.",
        lambda file: file.filename.lower().endswith(_ALLOWED_EXTENSIONS),
    ),
    file_type_from_content_type=(
        "The format of a file is detected by its Content-Type header.",
        lambda file: file.declared_type in _ALLOWED_TYPES,
    ),
    file_name_type_and_content_must_agree=(
        "A file is rejected unless its name, its Content-Type and its content agree.",
        _name_type_and_content_agree,
    ),
)

# -- number --------------------------------------------------------------------------------------


@hook
def override_reference_limit(server: PatchedServer, limit: int) -> None:
    """Accept more reference images than the list says."""
    server.model["reference_image_limit"] = limit

    @server.mutate_json(OperationId.LIST_MODELS, status=200)
    def restore(content: Json, context: RequestContext) -> None:
        content["data"][0]["reference_image_limit"] = _MAX_FILES


def more_files_than(max_files: int) -> Matches:
    """Return a function that matches requests with more files."""
    return lambda request: len(request.uploads) > max_files


mutant_table("REQ-7", override_reference_limit)(
    seventeen_references_accepted=("17 reference images are accepted.", _MAX_FILES + 1),
    any_number_of_references_accepted=("Any number of reference images is accepted.", 1000),
)
mutant_table("REQ-7", reject_if)(
    sixteen_references_rejected=("16 reference images are rejected.", more_files_than(15)),
    at_most_four_references=(
        "More than four reference images are rejected, like n.",
        more_files_than(4),
    ),
    at_most_one_reference=("More than one reference image is rejected.", more_files_than(1)),
)
mutant_table("REQ-7", crash_if)(
    seventeen_references_crash=("17 reference images return 500.", more_files_than(_MAX_FILES)),
)


@mutant("REQ-7", "Copies are not counted: the same reference image is accepted 17 times.")
def duplicate_references_not_counted(server: PatchedServer) -> None:
    override_reference_limit(1000)(server)
    reject_if(lambda request: len({one.content for one in request.uploads}) > _MAX_FILES)(server)


# -- size ----------------------------------------------------------------------------------------

mutant_table("REQ-9", limit_file_size)(
    reference_over_1_mb_rejected=("A reference image over 1 MB is rejected.", _MEGABYTE),
    reference_over_5_mb_rejected=("A reference image over 5 MB is rejected.", 5 * _MEGABYTE),
)
mutant_table("REQ-9", accept_any_size_if)(
    reference_over_50_mb_accepted=(
        "A reference image over 50 MB is accepted.",
        lambda files: all(map(has_allowed_type, files)),
    ),
)

# -- JSON ----------------------------------------------------------------------------------------

mutant_table("REQ-6", mutate_values(JSON))(
    reference_in_json_ignored=(
        "A reference image in JSON is ignored, and the request is charged.",
        lambda values: values.pop("reference_image", None),
    ),
    reference_url_in_json_accepted=(
        "The URL of a reference image in JSON is accepted.",
        lambda values: (
            values.pop("reference_image")
            if str(values.get("reference_image")).startswith(("http", "data:"))
            else None
        ),
    ),
)

# -- other fields --------------------------------------------------------------------------------


@hook
def mutate_values_with_files(server: PatchedServer, change: Callable[[Json], object]) -> None:
    """Change the fields of a form that has files in place."""

    @server.on_request_body
    def mutate(request: ParsedRequest) -> None:
        if request.media_type == FORM and request.uploads:
            change(request.values)


@hook
def mutate_response_with_references(
    server: PatchedServer, change: Callable[[Json], object]
) -> None:
    """Change the JSON of a generation that has reference images in place."""

    @server.mutate_json(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, context: RequestContext) -> None:
        if context.parsed_request and context.parsed_request.references:
            change(content)


mutant_table("GEN-9", mutate_values_with_files)(
    references_ignore_size=(
        "The size is ignored with a reference image.",
        update(size="1024x1024"),
    ),
    references_ignore_n=("n is ignored with a reference image.", update(n=1)),
)
mutant_table("GEN-9", reject_if)(
    references_require_n_1=(
        "With a reference image, n must be 1.",
        lambda request: bool(request.uploads) and request.values.get("n", 1) != 1,
    ),
)
mutant_table("GEN-9", reject_if, level="inferred")(
    references_require_sync=(
        "With a reference image, async is rejected.",
        lambda request: bool(request.uploads) and bool(request.values.get("async")),
    ),
)
mutant_table("GEN-9", mutate_response_with_references)(
    references_object_is_image_edit=(
        "With a reference image, the object of the response is image_edit.",
        update(object="image_edit"),
    ),
    references_without_usage_and_balance=(
        "With a reference image, the response has neither usage nor balance.",
        remove("usage", "balance"),
    ),
)
mutant_table("GEN-9", on_quote)(
    references_charged_as_images=(
        "Each reference image after the first is charged like an image.",
        lambda quote, request: quote._replace(
            credits_per_image=quote.credits_per_image * max(1, len(request.references))
        ),
    ),
)
mutant_table("GEN-9", replace_charge)(
    references_cost_extra=(
        "Each reference image costs a credit that is not in the price list.",
        lambda credits, generation: credits + len(generation.request.references),
    ),
)
