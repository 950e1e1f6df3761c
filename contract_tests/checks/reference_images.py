"""Reference images: number, formats and sizes (REQ-6 to REQ-9, REQ-17, GEN-9)."""

from __future__ import annotations

from functools import partial
from itertools import product

from mockhub.verify import fixtures, oracle
from mockhub.verify.assertions import assert_equal, error_code, require_response
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import expect_invalid_requests, expect_rejection
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation_assertions import assert_ratio_of_size
from mockhub.verify.multipart import File
from mockhub.verify.outcomes import Failed, Skipped

_MIN_PRICE = oracle.min_price()
_TOO_LARGE = 50 * 1024 * 1024 + 1  # bytes, too many in megabytes and in mebibytes
_UNSUPPORTED_FILES = ("picture.gif", "notes.txt", "drawing.svg", "paper.pdf", "picture.bmp")
_POSITIONS = {"first of 2": (0, 2), "last of 2": (1, 2), "second of 3": (1, 3)}  # index and count


@check("REQ-6", "REQ-10", cost=2 * _MIN_PRICE, pays_nothing=True)
def request_rejects_references_in_json(context: CheckContext) -> None:
    """Reject a reference_image in a JSON body with 400 invalid_request."""
    url = "data:image/png;base64,iVBORw0KGgo="
    expect_rejection(context, {"reference_image": url}, {"reference_image": [url]}, also_form=False)


@check("REQ-7", "REQ-8", fixtures=("many_references",), cost=4 * _MIN_PRICE)
def references_up_to_limit_are_accepted(context: CheckContext) -> None:
    """Accept 16 reference images in PNG, JPEG and WebP."""
    exchange = context.generation("many_references").exchange
    if exchange.status == 400:
        _find_rejected_format(context)
    if require_response(exchange).status in (400, 413, 415, 422, 500):
        raise Failed(
            f"HTTP {exchange.status} to 16 reference images", exchange, expected="HTTP 200"
        )


@check("REQ-8", fixtures=("example_form", "many_references"), cost=4 * _MIN_PRICE)
def references_of_each_format_are_accepted(context: CheckContext) -> None:
    """Accept each of the formats PNG, JPEG and WebP alone."""
    exchange = context.generation("example_form").exchange
    if require_response(exchange).status == 400:
        raise Failed("HTTP 400 to a PNG", exchange, expected="HTTP 200")
    if context.generation("many_references").exchange.status == 400:
        _find_rejected_format(context)


def _find_rejected_format(context: CheckContext) -> None:
    def upload_each() -> dict[str, Exchange]:
        names = ("sunset.jpg", "sunset.jpeg", "sunset.webp", "camera.jpg", "lossy.webp")
        return {name: _upload(context, *fixtures.upload_files((name,))) for name in names}

    for name, exchange in context.memoize("formats", upload_each).items():
        if require_response(exchange).status == 400:
            raise Failed(f"HTTP 400 to {name}", exchange, expected="HTTP 200")


@check("REQ-7", "REQ-10", cost=_MIN_PRICE, pays_nothing=True)
def references_beyond_limit_are_rejected(context: CheckContext) -> None:
    """Reject 17 reference images with 400 invalid_request."""
    files = fixtures.upload_files(("sunset.png",) * (oracle.reference_limit() + 1))
    with context.expect_no_charge("a form with too many references"):
        expect_invalid_requests(
            (f"{len(files)} references{' of a task' * is_task}", _upload(context, *files, **fields))
            for is_task, fields in ((False, {}), (True, {"async": True}))
        )


@check("REQ-8", "REQ-10", cost=_MIN_PRICE, pays_nothing=True)
def references_of_other_formats_are_rejected(context: CheckContext) -> None:
    """Reject GIF, text, SVG, PDF and BMP files with 400 invalid_request."""
    files = [fixtures.unsupported_file(name) for name in _UNSUPPORTED_FILES]
    with context.expect_no_charge("a form with a file of another format"):
        calls = [partial(_upload, context, file) for file in files]
        responses = context.run_batch(calls)
        names = [file.name for file in files]
        expect_invalid_requests(zip(names, responses, strict=True))


@check("REQ-8", "REQ-10", cost=_MIN_PRICE, pays_nothing=True)
def references_are_all_validated(context: CheckContext) -> None:
    """Reject a file of any other format among valid ones, at any position."""
    [valid] = fixtures.upload_files(("sunset.png",))
    names, calls = [], []
    cases = product(_UNSUPPORTED_FILES, _POSITIONS.items())
    for turn, (name, (position, (index, count))) in enumerate(cases, context.seed):
        files, is_task = [valid] * count, turn % 2 == 1
        files[index] = fixtures.unsupported_file(name)
        names.append(f"{name} {position}{' of a task' * is_task}")
        calls.append(partial(_upload, context, *files, **{"async": True} if is_task else {}))
    with context.expect_no_charge("a form with a file of another format among others"):
        expect_invalid_requests(zip(names, context.run_batch(calls), strict=True))


@check("REQ-9", cost=_MIN_PRICE, account="valid")
def references_of_49_mb_are_accepted(context: CheckContext) -> None:
    """Accept a PNG of 49 MB, and another file beside it."""
    _require_loopback(context)
    # A generation that fails was accepted, too, and costs nothing.
    name = "failed_large_reference" if context.profile.provider_failure else "large_reference"
    exchange = require_response(context.generation(name).exchange)
    if exchange.status != 200 and not _has_failed(context, exchange):
        raise Failed(
            f"HTTP {exchange.status} to PNGs of 49 and 4 MB", exchange, expected="HTTP 200"
        )


def _has_failed(context: CheckContext, exchange: Exchange) -> bool:
    """Return whether the provider failed, as it does for a small file."""
    if not context.profile.provider_failure or exchange.status < 500:
        return False
    small = context.generation("failure_form_1").exchange
    is_equal = (exchange.status, exchange.json_object) == (small.status, small.json_object)
    return is_equal or error_code(exchange) == "generationFailed"


@check("REQ-9", cost=_MIN_PRICE, pays_nothing=True)
def references_over_50_mb_are_rejected(context: CheckContext) -> None:
    """Reject a PNG larger than 50 MB between smaller ones."""
    _require_loopback(context)
    file, case = File("large.png", fixtures.png_of(_TOO_LARGE), "image/png"), "a PNG of over 50 MB"
    small = fixtures.upload_files(("sunset.png",))
    files = [*small, file, *small]  # a server may check the first or the last one only
    with context.expect_no_charge("a form with too large a file"):
        exchange = _upload(context, *files, unspecified=context.documented)
    if exchange.error == "closed":
        return  # rejected during the upload
    if not context.documented or require_response(exchange).status == 400:
        expect_invalid_requests([(case, exchange)])
    elif exchange.status != 413:
        raise Failed(f"HTTP {exchange.status} to {case}", exchange, expected="400 invalid_request")


def _require_loopback(context: CheckContext) -> None:
    if not context.client.loopback:
        raise Skipped("files of 50 MB are sent to loopback addresses only")


@check("GEN-9", fixtures=("example_form", "example", "many_references"))
def references_do_not_change_response(context: CheckContext) -> None:
    """Return the same fields, and charge the same, with and without a reference image."""
    without, generation = context.completed("example"), context.completed("example_form")
    exchange = generation.exchange
    assert_equal(exchange.status, without.exchange.status, "the status", exchange)
    if generation.measured_alone and without.measured_alone and generation.charged is not None:
        what = "the charge of a request with a reference"
        is_charged = without.charged == oracle.min_price()
        clause = "" if is_charged else "LED-1"  # then it is not the reference that matters
        assert_equal(generation.charged, oracle.min_price(), what, exchange, clause=clause)
    many = context.generation("many_references")
    if many.accepted:
        assert_ratio_of_size(many)
    if missing := sorted(without.body.keys() - generation.body.keys()):
        raise Failed(f"{', '.join(missing)} missing", exchange, expected=", ".join(without.body))


@check("REQ-17", fixtures=("form_async",), cost=4 * _MIN_PRICE)
def references_are_validated_by_content(context: CheckContext) -> None:
    """Detect the format of a file by its content, not by its name or content type."""
    with context.expect_no_charge("a form with a mislabelled file"):
        expect_invalid_requests(
            (name, _upload(context, fixtures.mislabelled_file(name)))
            for name in ("text_named.png", "gif_named.png", "cut_header.png", "empty.png")
        )
    exchange = context.generation("form_async").exchange
    if require_response(exchange).status == 400:
        raise Failed("HTTP 400 to a PNG with another name and type", exchange, expected="HTTP 202")


@check("REQ-8", level="inferred", cost=_MIN_PRICE, pays_nothing=True)
def references_must_be_files(context: CheckContext) -> None:
    """Reject a text field named reference_image with 400 invalid_request."""
    form = context.form_fields(reference_image="sunset.png")
    with context.expect_no_charge("a form with a text as reference"):
        exchange = context.client.post(form=form, cost=_MIN_PRICE)
        expect_invalid_requests([("reference_image as text", exchange)])


def _upload(
    context: CheckContext, *files: File, unspecified: bool = False, **fields: object
) -> Exchange:
    """Post a form with *files* as its reference images."""
    form = context.form_fields(**fields)
    return context.client.post(form=form, files=files, cost=_MIN_PRICE, unspecified=unspecified)
