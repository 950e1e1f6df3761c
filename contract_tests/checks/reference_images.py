"""Reference images: number, formats and sizes (REQ-6 to REQ-9, REQ-17, GEN-9)."""

from __future__ import annotations

from functools import partial

from mockhub.verify import fixtures, oracle
from mockhub.verify.assertions import assert_equal, expect_error, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_rejection
from mockhub.verify.exchange import Exchange
from mockhub.verify.multipart import File
from mockhub.verify.outcomes import Failed, Skipped

_MIN_PRICE = oracle.min_price()
_MEBIBYTE = 1024 * 1024
_UNSUPPORTED_FILES = ("picture.gif", "notes.txt", "drawing.svg", "paper.pdf", "picture.bmp")


@check("REQ-6", "REQ-10", cost=2 * _MIN_PRICE)
def request_rejects_references_in_json(context: CheckContext) -> None:
    """A reference_image in a JSON body is 400 invalid_request."""
    url = "data:image/png;base64,iVBORw0KGgo="
    expect_rejection(context, {"reference_image": url}, {"reference_image": [url]}, also_form=False)


@check("REQ-7", "REQ-8", fixtures=("many_references",), cost=4 * _MIN_PRICE)
def references_up_to_limit_are_accepted(context: CheckContext) -> None:
    """Sixteen reference images are taken, PNG, JPG, JPEG and WebP among them."""
    generation = context.generation("many_references")
    if generation.exchange.status == 400:
        _find_rejected_format(context)
        raise Failed("16 reference images are refused", generation.exchange, expected="HTTP 200")
    if require_response(generation.exchange).status in (413, 415, 422, 500):
        raise Failed(
            f"16 reference images are answered {generation.exchange.status}",
            generation.exchange,
            expected="HTTP 200",
        )


@check("REQ-8", fixtures=("example_form", "many_references"), cost=4 * _MIN_PRICE)
def references_of_each_format_are_accepted(context: CheckContext) -> None:
    """A PNG alone is taken, and each other kind if all together are not."""
    if require_response(context.generation("example_form").exchange).status == 400:
        raise Failed(
            "a PNG is refused", context.generation("example_form").exchange, expected="HTTP 200"
        )
    if context.generation("many_references").exchange.status == 400:
        _find_rejected_format(context)


def _find_rejected_format(context: CheckContext) -> None:
    def upload_each() -> dict[str, Exchange]:
        names = ("sunset.jpg", "sunset.jpeg", "sunset.webp")
        return {name: upload(context, *fixtures.upload_files((name,))) for name in names}

    for name, exchange in context.memoize("kinds", upload_each).items():
        if require_response(exchange).status == 400:
            raise Failed(f"{name} is refused", exchange, expected="HTTP 200")


@check("REQ-7", "REQ-10", cost=_MIN_PRICE)
def references_beyond_limit_are_rejected(context: CheckContext) -> None:
    """Seventeen reference images are 400 invalid_request."""
    files = fixtures.upload_files(("sunset.png",) * (oracle.reference_limit() + 1))
    with context.expect_no_charge("a form with too many references"):
        _expect_rejection(upload(context, *files), f"{len(files)} references")


@check("REQ-8", "REQ-10", cost=_MIN_PRICE)
def references_of_other_formats_are_rejected(context: CheckContext) -> None:
    """A GIF, text, SVG, PDF or BMP that says so is 400 invalid_request."""
    with context.expect_no_charge("a form with a file of another kind"):
        calls = [
            partial(upload, context, fixtures.unsupported_file(name)) for name in _UNSUPPORTED_FILES
        ]
        for name, exchange in zip(
            _UNSUPPORTED_FILES, context.run_batch(calls, cost=_MIN_PRICE), strict=True
        ):
            _expect_rejection(exchange, name)


@check("REQ-8", "REQ-10", cost=_MIN_PRICE)
def references_are_all_validated(context: CheckContext) -> None:
    """A file of another kind is found wherever it stands among good ones."""
    valid, invalid = (
        fixtures.upload_files(("sunset.png",))[0],
        fixtures.unsupported_file("picture.gif"),
    )
    with context.expect_no_charge("a form with a file of another kind among others"):
        for position, files in (
            ("first", (invalid, valid)),
            ("last", (valid, invalid)),
            ("second", (valid, invalid, valid)),
        ):
            _expect_rejection(upload(context, *files), f"a GIF {position} of {len(files)}")


@check("REQ-9", fixtures=("large_reference",))
def references_of_49_mb_are_accepted(context: CheckContext) -> None:
    """A PNG of 49 MB is taken."""
    if not context.client.loopback:
        raise Skipped("files of 50 MB are sent only to this machine")
    generation = context.generation("large_reference")
    if require_response(generation.exchange).status != 200:
        raise Failed(
            f"a PNG of 49 MB is answered {generation.exchange.status}",
            generation.exchange,
            expected="HTTP 200",
        )


@check("REQ-9", cost=_MIN_PRICE)
def references_over_50_mb_are_rejected(context: CheckContext) -> None:
    """A PNG larger than 50 MB, however megabytes are counted, is refused."""
    if not context.client.loopback:
        raise Skipped("files of 50 MB are sent only to this machine")
    large = File("large.png", fixtures.png_of(50 * _MEBIBYTE + 1), "image/png")
    with context.expect_no_charge("a form with too large a file"):
        exchange = upload(context, large, unspecified=context.documented)
    if exchange.error == "closed":
        return  # refused while it was still arriving
    if require_response(exchange).status not in (400, 413):
        raise Failed(
            f"a PNG of 50 MB and one byte is answered {exchange.status}",
            exchange,
            expected="400 invalid_request",
        )
    if not context.documented:
        _expect_rejection(exchange, "a PNG of 50 MB and one byte")


@check("GEN-9", fixtures=("example_form", "example", "many_references"))
def references_do_not_change_response(context: CheckContext) -> None:
    """A request with a reference is answered with the same fields as one without."""
    without_reference, generation = context.completed("example"), context.completed("example_form")
    assert_equal(
        without_reference.exchange.status,
        generation.exchange.status,
        "the status",
        generation.exchange,
    )
    if (
        without_reference.measured_alone
        and generation.measured_alone
        and None not in (generation.balance_before, generation.balance_after)
    ):
        charged = (generation.balance_before or 0) - (generation.balance_after or 0)
        assert_equal(
            oracle.min_price(), charged, "what a request with a reference took", generation.exchange
        )
    many = context.generation("many_references")
    if many.accepted and not oracle.same_ratio(many.size, str(many.final_body.get("aspect_ratio"))):
        raise Failed(f"{many.size} is another ratio", many.exchange, expected="the size's ratio")
    if missing := sorted(without_reference.body.keys() - generation.body.keys()):
        raise Failed(
            f"{', '.join(missing)} missing",
            generation.exchange,
            expected=", ".join(without_reference.body),
        )


@check("REQ-17", fixtures=("form_async",), cost=4 * _MIN_PRICE)
def references_are_validated_by_content(context: CheckContext) -> None:
    """A file's content decides its format: liars are refused, a PNG of another name is taken."""
    with context.expect_no_charge("a form with a liar"):
        for name in ("text_named.png", "gif_named.png", "cut_header.png", "empty.png"):
            _expect_rejection(upload(context, fixtures.mislabelled_file(name)), name)
    generation = context.generation("form_async")
    if require_response(generation.exchange).status == 400:
        raise Failed(
            "a PNG under another name is refused", generation.exchange, expected="HTTP 202"
        )


@check("REQ-8", level="inferred", cost=_MIN_PRICE)
def references_must_be_files(context: CheckContext) -> None:
    """A text part named reference_image is 400 invalid_request."""
    with context.expect_no_charge("a form with a text as reference"):
        exchange = context.client.post(
            form=context.form_fields(reference_image="sunset.png"), cost=_MIN_PRICE
        )
        _expect_rejection(exchange, "reference_image as text")


def upload(context: CheckContext, *files: File, **options: object) -> Exchange:
    """Post a form with *files* as its reference images."""
    return context.client.post(form=context.form_fields(), files=files, cost=_MIN_PRICE, **options)  # type: ignore[arg-type]


def _expect_rejection(exchange: Exchange, case: str) -> None:
    try:
        expect_error(exchange, 400, "invalid_request")
    except Failed as failure:
        raise Failed(f"{case}: {failure.message}", exchange, expected=failure.expected) from None
