"""Defects of reference images: which files are taken, how many, and how large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mockhub.mutants.asking import Asked
from mockhub.mutants.encodings import rebodied
from mockhub.mutants.house import POST, House
from mockhub.mutants.registry import Level, mutant
from mockhub.mutants.uploads import Upload
from mockhub.spec.coerce import Invalid
from mockhub.spec.operations import FORM, JSON

_TYPES = ("image/png", "image/jpeg", "image/webp")
_NAMES = (".png", ".jpg", ".jpeg", ".webp")
_MEGABYTE = 1024 * 1024


def judged(house: House, good: Callable[[Sequence[Upload]], bool], *, limited: bool = True) -> None:
    """Take files where *good* says so of all of them, instead of by each one's content."""
    house.any_files()

    @house.on_asked
    def judge(asked: Asked) -> None:
        if asked.uploads and not good(asked.uploads):
            raise Invalid("reference_image: expected PNG, JPEG or WebP")
        if limited and any(len(one.content) > 50 * _MEGABYTE for one in asked.uploads):
            raise Invalid("reference_image: too large")


def right(upload: Upload) -> bool:
    return upload.found in _TYPES


@mutant("REQ-8")
def any_file_taken(house: House) -> None:
    """Files of any type are taken."""
    judged(house, lambda files: True)


@mutant("REQ-8")
def first_file_judged(house: House) -> None:
    """Of several files the first is looked at."""
    judged(house, lambda files: right(files[0]))


@mutant("REQ-8")
def last_file_judged(house: House) -> None:
    """Of several files the last is looked at."""
    judged(house, lambda files: right(files[-1]))


@mutant("REQ-8")
def one_good_file_is_enough(house: House) -> None:
    """Of several files one has to be an image."""
    judged(house, lambda files: any(map(right, files)))


@mutant("REQ-8")
def gif_taken(house: House) -> None:
    """GIF is taken too."""
    judged(house, lambda files: all(right(one) or one.found == "image/gif" for one in files))


@mutant("REQ-8")
def every_image_taken(house: House) -> None:
    """Whatever calls itself an image is taken, SVG and BMP too."""
    judged(house, lambda files: all(one.declared.startswith("image/") for one in files))


@mutant("REQ-8", level="inferred")  # by its declared type it is a PNG
def empty_file_taken(house: House) -> None:
    """A file with nothing in it is taken."""
    judged(house, lambda files: all(right(one) or not one.content for one in files))


def without(kind: str, says: str) -> None:
    name = kind.partition("/")[2]
    mutant("REQ-8", name=f"{name}-refused", says=says)(
        lambda house: judged(
            house, lambda files: all(right(one) and one.found != kind for one in files)
        )
    )


without("image/png", "PNG is refused.")
without("image/jpeg", "JPEG is refused.")
without("image/webp", "WebP is refused.")


@mutant("REQ-8")
def dot_jpg_refused(house: House) -> None:
    """A JPEG whose name ends in .jpg is refused; .jpeg is taken."""
    judged(
        house, lambda files: all(right(one) and not one.filename.endswith(".jpg") for one in files)
    )


@mutant("REQ-8")
def dot_jpeg_refused(house: House) -> None:
    """A JPEG whose name ends in .jpeg is refused; .jpg is taken."""
    judged(
        house, lambda files: all(right(one) and not one.filename.endswith(".jpeg") for one in files)
    )


@mutant("REQ-17", tolerable=True)
def type_by_name(house: House) -> None:
    """A file's name decides its type."""
    judged(house, lambda files: all(one.filename.lower().endswith(_NAMES) for one in files))


@mutant("REQ-17", tolerable=True)
def type_by_declaration(house: House) -> None:
    """A file's declared type decides it."""
    judged(house, lambda files: all(one.declared in _TYPES for one in files))


@mutant("REQ-17", tolerable=True)
def type_by_agreement(house: House) -> None:
    """A file is refused unless its name, its declared type and its content agree."""

    def agree(one: Upload) -> bool:
        named = one.filename.lower().replace(".jpg", ".jpeg").rpartition(".")[2]
        return right(one) and one.declared == one.found == f"image/{named}"

    judged(house, lambda files: all(map(agree, files)))


def counted(house: House, most: int) -> None:
    """Take *most* files."""

    @house.on_asked
    def count(asked: Asked) -> None:
        if len(asked.uploads) > most:
            raise Invalid(f"reference_image: at most {most}")


@mutant("REQ-7")
def seventeen_taken(house: House) -> None:
    """Seventeen reference images are taken."""
    listed(house, 17)


@mutant("REQ-7")
def any_number_taken(house: House) -> None:
    """Any number of reference images is taken."""
    listed(house, 1000)


@mutant("REQ-7")
def sixteen_refused(house: House) -> None:
    """Sixteen reference images are refused."""
    counted(house, 15)


@mutant("REQ-7")
def four_at_most(house: House) -> None:
    """More than four reference images are refused, as if they were counted like n."""
    counted(house, 4)


@mutant("REQ-7")
def one_at_most(house: House) -> None:
    """More than one reference image is refused."""
    counted(house, 1)


@mutant("REQ-7")
def different_ones_counted(house: House) -> None:
    """Only files that differ are counted: seventeen copies of one are taken."""
    listed(house, 1000)

    @house.on_asked
    def count(asked: Asked) -> None:
        if len({one.content for one in asked.uploads}) > 16:  # noqa: PLR2004
            raise Invalid("reference_image: at most 16")


@mutant("REQ-7")
def seventeen_crash(house: House) -> None:
    """Seventeen reference images answer 500."""

    @house.on_asked
    def crash(asked: Asked) -> None:
        if len(asked.uploads) > 16:  # noqa: PLR2004
            raise RuntimeError("Too many files")


def listed(house: House, limit: int) -> None:
    """Count against another limit than the one that is listed."""
    house.model["reference_image_limit"] = limit

    @house.on_content("list_models", status=200)
    def rewrite(content: Any, visit: Any) -> None:
        content["data"][0]["reference_image_limit"] = 16


def weighed(house: House, most: int, *, together: bool = False) -> None:
    """Refuse files of more than *most* bytes, each or together."""

    @house.on_asked
    def weigh(asked: Asked) -> None:
        sizes = [len(one.content) for one in asked.uploads] or [0]
        if (sum(sizes) if together else max(sizes)) > most:
            raise Invalid("reference_image: too large")


@mutant("REQ-9")
def one_megabyte_at_most(house: House) -> None:
    """A reference image of more than a megabyte is refused."""
    weighed(house, _MEGABYTE)


@mutant("REQ-9")
def five_megabytes_at_most(house: House) -> None:
    """A reference image of more than five megabytes is refused."""
    weighed(house, 5 * _MEGABYTE)


@mutant("REQ-9")
def any_weight_taken(house: House) -> None:
    """A reference image of more than 50 MB is taken."""
    judged(house, lambda files: all(map(right, files)), limited=False)


@mutant("REQ-6")
def reference_in_json_ignored(house: House) -> None:
    """A reference image in JSON is taken and dropped, and the request charged."""
    house.on_asked(
        lambda asked: (
            asked.values.pop("reference_image", 0) and None if asked.media == JSON else None
        )
    )


@mutant("REQ-6")
def reference_url_in_json_taken(house: House) -> None:
    """A reference image in JSON is taken where it is an address."""
    house.on_asked(
        lambda asked: (
            asked.values.pop("reference_image") and None
            if asked.media == JSON
            and str(asked.values.get("reference_image")).startswith(("http", "data:"))
            else None
        )
    )


@mutant("GEN-9")
def references_cost_images(house: House) -> None:
    """Each reference image beyond the first costs as much as an image."""
    house.on_quote(
        lambda quote, asked: quote._replace(unit=quote.unit * max(1, len(asked.references)))
    )


def in_form(
    name: str, clause: str, says: str, change: Callable[[Asked], object], level: Level | None = None
) -> None:
    mutant(clause, name=name, says=says, level=level)(
        lambda house: house.on_asked(
            lambda asked: change(asked) and None if asked.media == FORM and asked.uploads else None
        )
    )


def _refuse_several(asked: Asked) -> None:
    if str(asked.values.get("n", 1)) != "1":
        raise Invalid("n: expected 1 where there are reference images")


def _refuse_async(asked: Asked) -> None:
    if asked.values.get("async"):
        raise Invalid("async: not offered where there are reference images")


in_form("references-need-n-1", "GEN-9", "With a reference image n has to be 1.", _refuse_several)
in_form(
    "references-need-sync",
    "GEN-9",
    "With a reference image async is refused.",
    _refuse_async,
    "inferred",
)
in_form(
    "references-drop-size",
    "GEN-9",
    "With a reference image the size is not looked at.",
    lambda asked: asked.values.update(size="1024x1024"),
)
in_form(
    "references-drop-n",
    "GEN-9",
    "With a reference image n is not looked at.",
    lambda asked: asked.values.update(n=1),
)


@mutant("GEN-9")
def references_are_edits(house: House) -> None:
    """With a reference image the answer's object is image_edit."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Any) -> None:
        if visit.request and visit.request.references:
            content["object"] = "image_edit"


@mutant("GEN-9")
def references_answer_less(house: House) -> None:
    """With a reference image the answer has neither usage nor balance."""

    @house.on_content(POST, status=200)
    def rewrite(content: Any, visit: Any) -> None:
        if visit.request and visit.request.references:
            del content["usage"], content["balance"]


@mutant("REQ-8", level="inferred")
def reference_text_taken(house: House) -> None:
    """A reference image that is a text is taken, and not looked at."""
    text = b'name="reference_image"\r\n\r\n'
    rebodied(house, lambda raw, headers: raw.replace(text, b'name="note"\r\n\r\n'))
