"""The generations that the checks share: each is created, and paid for, once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from mockhub._resources import resource_path
from mockhub.verify import oracle
from mockhub.verify.multipart import File

_MEGABYTE = 1000 * 1000
_PNG_OVERHEAD = 20_000  # bytes that are not pixels
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


OpenFields = dict[str, tuple[object, ...]]
Variant = Literal["", "charset", "files first"]
CHARSET: Variant = "charset"
FILES_FIRST: Variant = "files first"

DOCUMENTED_SIZES = ("auto", "1024x1024")  # others may be rejected
MAX_SHORT_TEXT = 255  # characters
SMALL_SIZES = ("1024x1024", "auto", "1536x1024")  # at the lowest price


@dataclass(frozen=True)
class GenerationFixture:
    """The request for one generation.

    Attributes:
        files: The names of the reference images.
        trigger: The trigger of the profile whose prompt is sent, so that the provider fails.
        variant: An unusual form of the request. If it is rejected the usual form follows.
        payer: The role whose key sends it.
        open: The fields that `covering_array.fill` chooses, with their possible values.
    """

    prompt: str
    size: str | None = "1024x1024"
    quality: str | None = None
    n: int | None = None
    asynchronous: bool | None = None
    is_form: bool = False
    files: tuple[str, ...] = ()
    trigger: Literal["provider_failure", "partial"] | None = None
    extra_fields: Mapping[str, str] | None = None
    variant: Variant = ""
    payer: Literal["valid", "other", "low"] = "valid"
    open: OpenFields = field(default_factory=dict, compare=False)

    @property
    def image_count(self) -> int:
        return 1 if self.n is None else self.n

    @property
    def tier(self) -> str:
        return oracle.tier_of(self.size or "auto")

    @property
    def shape(self) -> str:
        """Whether its images are square, wide or tall, or their size is open."""
        if self.size in (None, "auto"):
            return "auto"
        width, height = map(int, str(self.size).split("x"))
        return "square" if width == height else "wide" if width > height else "tall"

    @property
    def references(self) -> tuple[int, frozenset[str]]:
        """Whether it has no, one or several reference images, and of which types."""
        types = {name.rpartition(".")[2].replace("jpeg", "jpg") for name in self.files}
        return min(len(self.files), 2), frozenset(types)

    @property
    def is_form_task(self) -> bool:
        """Whether a form asks for a task, which an implementation need not offer."""
        return self.is_form and bool(self.asynchronous)

    @property
    def max_cost(self) -> int:
        """The most that it may cost, in credits."""
        return oracle.price(self.size or "auto", self.image_count)

    def fields(self, prompt: str) -> dict[str, object]:
        values: dict[str, object] = {
            "model": oracle.MODEL,
            "prompt": prompt,
            "size": self.size,
            "quality": self.quality,
            "n": self.n,
            "async": self.asynchronous,
        }
        return {name: value for name, value in values.items() if value is not None} | {
            **(self.extra_fields or {})
        }


_ALL_FORMATS = (
    "sunset.png", "sunset.jpg", "sunset.jpeg", "sunset.webp",
    "camera.jpg", "lossy.webp", "sunset.png", "sunset.jpeg",
)  # fmt: skip

COUNTS = (1, 2, 3, 4)
QUALITIES = ("auto", "low", "medium", "high")
_QUALITIES = (None, *QUALITIES)
_FILES = ((), ("sunset.png",), ("sunset.jpg",), ("lossy.webp",), ("camera.jpg", "sunset.png"))
_FILES_OF_FAILURES = (*_FILES, ("sunset.png", "sunset.webp", "sunset.jpeg"), _ALL_FORMATS * 2)
_FILES_OF_TASKS = (  # with one that a server may keep in a temporary file
    ("medium.png", "camera.jpg"),
    ("sunset.png", "medium.png", "lossy.webp"),
    ("lossy.webp", "medium.png"),
)
TWO_FILES = (_FILES[-1], ("sunset.png", "lossy.webp"), ("lossy.webp", "camera.jpg"))
_MEDIA: OpenFields = {"is_form": (False, True), "files": _FILES}
_PAYER: OpenFields = {"payer": ("valid", "other")}
_QUALITY: OpenFields = {"quality": _QUALITIES}
_SMALL: OpenFields = {"size": (*SMALL_SIZES, "1024x1536")}
_EVERY_TIER: OpenFields = {
    "size": (
        *_SMALL["size"], "2048x2048", "2048x1152", "1152x2048", "3840x2160", "2160x3840"
    )
}  # fmt: skip
_ALL_SIZES = (
    *map(str, _EVERY_TIER["size"]),
    *("3072x1024", "1024x3072", "1280x1024", "1024x1280", "1024x768", "768x1024"),
    *("1344x576", "576x1344", "2048x1024", "1024x2048"),
)  # of every listed ratio
_EVERY_SHAPE: OpenFields = {"size": _ALL_SIZES}
_MODE: OpenFields = {"asynchronous": (None, False, True, True)}
# Requests that differ in some fields only are different requests: many have the same prompt.
_EXAMPLE = "A cinematic product photo with premium studio lighting"
_EXAMPLE_WITH_REFERENCE = "Use the reference image and render it as a premium studio product shot"
_PROMPT = 'Four lamps\' light:\n"warm", 100%, <b>bright</b> & C:\\lamps; $9 -- {n} 🚢'
_LONG_PROMPT = "Two boats, gulls and a lighthouse in the morning; no people. " * 10
_PROMPTS: OpenFields = {"prompt": (_PROMPT, _LONG_PROMPT)}
_ANYTHING = _PROMPTS | _MEDIA | _MODE | _PAYER | _QUALITY | _EVERY_TIER

FIXTURES: Mapping[str, GenerationFixture] = {
    # The examples of the documentation.
    "example": GenerationFixture(_EXAMPLE, quality="high", n=1),
    "example_form": GenerationFixture(
        _EXAMPLE_WITH_REFERENCE, quality="high", n=1, is_form=True, files=("sunset.png",)
    ),
    "example_async": GenerationFixture(_EXAMPLE, quality="high", n=1, asynchronous=True),
    # One image.
    "portrait": GenerationFixture(
        _PROMPT,
        n=1,
        asynchronous=False,
        open=_PROMPTS | _MEDIA | _PAYER | _QUALITY | {"size": ("1152x2048", "2160x3840")},
    ),
    "auto": GenerationFixture(
        f"सुबह का बंदरगाह; {_PROMPT}", size="auto", n=1, is_form=True, open=_PAYER | _QUALITY
    ),
    "form_task": GenerationFixture(
        _LONG_PROMPT,
        n=1,
        is_form=True,
        asynchronous=True,
        open=_PAYER | _QUALITY | _EVERY_TIER | {"files": _FILES_OF_TASKS},
    ),
    # Several images, each number of another tier, media type and mode.
    "two": GenerationFixture(_PROMPT, n=2, open=_ANYTHING),
    "three": GenerationFixture(_PROMPT, n=3, open=_ANYTHING),
    "four": GenerationFixture(_PROMPT, n=4, open=_ANYTHING),
    # References.
    "many_references": GenerationFixture(
        _EXAMPLE_WITH_REFERENCE,
        quality="high",
        n=1,
        is_form=True,
        files=_ALL_FORMATS * 2,
    ),
    "large_reference": GenerationFixture(
        "A coin", quality="low", n=1, is_form=True, files=("large.png",)
    ),
    "failed_large_reference": GenerationFixture(
        "",
        quality="low",
        n=1,
        is_form=True,
        files=("large.png", "medium.png"),
        trigger="provider_failure",
    ),
    # Provider failures.
    "failure": GenerationFixture("", n=2, trigger="provider_failure", open={"quality": _QUALITIES}),
    "failure_async": GenerationFixture(
        "", size="2048x2048", n=2, trigger="provider_failure", asynchronous=True
    ),
    **{
        f"failure_{'form' if is_form else 'json'}_{'task_' if is_task else ''}{n}{again}": (
            GenerationFixture(
                "",
                n=n,
                trigger="provider_failure",
                is_form=is_form,
                asynchronous=is_task,
                open=_PAYER
                | (_EVERY_SHAPE if n < 3 or is_task else _SMALL)
                | {"quality": QUALITIES}
                | ({"files": _FILES_OF_FAILURES[-1 if n == 4 else 0 :]} if is_form else {}),
            )
        )
        for is_form in (False, True)
        for is_task in (False, True)
        for n in COUNTS
        for again in ("", "_again")
    },
    "partial": GenerationFixture(
        "", trigger="partial", n=4, open=_MEDIA | _PAYER | _QUALITY | _EVERY_TIER
    ),
    "partial_async": GenerationFixture(
        "",
        trigger="partial",
        n=4,
        asynchronous=True,
        open=_MEDIA | _PAYER | _QUALITY | _EVERY_TIER,
    ),
    # What the documentation leaves open.
    "bare": GenerationFixture(
        "Ein Leuchtturm, 灯台, маяк ".ljust(oracle.prompt_limit(), "🏮"), size=None
    ),
    "unknown_field": GenerationFixture(
        "A kite", extra_fields={"style": "vivid", "user": "someone"}, variant=CHARSET
    ),
    "form_async": GenerationFixture(
        "A kite in a form. " * 1000,
        n=1,
        is_form=True,
        asynchronous=True,
        files=("strange.bin",),
        variant=FILES_FIRST,
    ),
    "above_1k": GenerationFixture("A fence", size="2016x864"),  # 21:9
    "above_2k": GenerationFixture("A wall", size="2064x2048"),
}


SYNC_FIXTURES = ("example", "portrait", "auto", "example_form", "many_references")
SEVERAL_FIXTURES = ("two", "three", "four")  # synchronous or tasks, as the seed decides
TASK_FIXTURES = ("example_async", "form_task", *SEVERAL_FIXTURES)
ALL_FIXTURES = (*SYNC_FIXTURES, *TASK_FIXTURES)
SAVED_FIXTURES = (*ALL_FIXTURES, "partial", "partial_async")
FAILURE_FIXTURES = tuple(
    f"failure_{kind}{n}" for kind in ("json_", "json_task_", "form_", "form_task_") for n in COUNTS
)
FURTHER_FAILURES = tuple(f"{name}_again" for name in FAILURE_FIXTURES)  # if responses are fast


def vary(fixture: GenerationFixture, turn: int) -> GenerationFixture:
    """Return *fixture* with a quality, and with the reference images of a form, by *turn*."""
    quality, files = QUALITIES[turn % 4], _FILES[1:][(turn + turn // 4) % 4]
    return replace(fixture, quality=quality, files=files if fixture.is_form else ())


def request_of_turn(
    turn: int, *, is_form: bool, is_task: bool, sizes: Sequence[str] = _ALL_SIZES
) -> GenerationFixture:
    """Return a request whose number of images, size, quality and files change with each *turn*.

    The lengths of their cycles are coprime, so that consecutive turns send all pairs of values.
    """
    return GenerationFixture(
        _PROMPT,
        size=sizes[turn % len(sizes)],
        quality=_QUALITIES[turn % len(_QUALITIES)],
        n=COUNTS[turn % len(COUNTS)],
        asynchronous=is_task or None,
        is_form=is_form,
        files=_FILES_OF_FAILURES[turn % len(_FILES_OF_FAILURES)] if is_form else (),
    )


def upload_files(names: tuple[str, ...]) -> list[File]:
    """Return the reference images with these names, as they should be uploaded."""
    return [_upload_file(name) for name in names]


@cache
def _upload_file(name: str) -> File:
    if name == "large.png":
        return File(name, png_of(49 * _MEGABYTE), "image/png")
    if name == "medium.png":
        return File(name, png_of(4 * _MEGABYTE), "image/png")
    if name == "strange.bin":
        return File(name, _read_upload("sunset.png"), "application/octet-stream")
    return File(name, _read_upload(name), _MEDIA_TYPES[name.rpartition(".")[2]])


_MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "bmp": "image/bmp",
    "html": "text/html",
    "gif": "image/gif",
    "txt": "text/plain",
    "pdf": "application/pdf",
}


def png_of(size: int) -> bytes:
    """Return a valid PNG of exactly *size* bytes: uncompressed pixels and a comment."""
    side = 4096
    rows = (size - _PNG_OVERHEAD) // (3 * side + 1)
    header = side.to_bytes(4, "big") + rows.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    pixels = _chunk(b"IDAT", zlib.compress(bytes(rows * (3 * side + 1)), 0))
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    padding = size - len(start) - len(pixels) - len(_PNG_END) - 12
    comment = _chunk(b"tEXt", b"Comment\x00".ljust(padding, b" "))
    return start + comment + pixels + _PNG_END


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


def unsupported_file(name: str) -> File:
    """Return a file of an unsupported format, with its true name and media type."""
    if name == "picture.gif":
        return File(name, _read_upload("gif_named.png"), "image/gif")
    if name == "notes.txt":
        return File(name, _read_upload("text_named.png"), "text/plain")
    if name == "paper.pdf":
        return File(name, b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n", "application/pdf")
    return File(name, _read_upload(name), _MEDIA_TYPES[name.rpartition(".")[2]])


def mislabelled_file(name: str) -> File:
    """Return a file that is declared as a PNG but has another format."""
    return File(name, _read_upload(name), "image/png")


def _read_upload(name: str) -> bytes:
    return (resource_path("fixtures/uploads") / name).read_bytes()
