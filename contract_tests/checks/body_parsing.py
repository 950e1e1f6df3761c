"""Request bodies: JSON, forms, malformed bodies and other content types (REQ-2, 10, 14, 16)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from mockhub.verify import multipart, oracle
from mockhub.verify.assertions import FailedCases, expect, expect_error, require_response
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import describe_fields, expect_invalid_requests
from mockhub.verify.fixtures import upload_files
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import Failed
from mockhub.verify.request_bodies import raw_body

_MIN_PRICE = oracle.min_price()
_JSON = "application/json"
_CHUNKED = {"Transfer-Encoding": "chunked"}


@check("REQ-10", cost=3 * _MIN_PRICE, pays_nothing=True)
def request_rejects_malformed_json(context: CheckContext) -> None:
    """Reject a body that is not a JSON object with a client error."""
    body = json.dumps(context.request_body())
    for text in (body[:-1], f"[{body}]", '"a prompt"'):
        exchange = context.client.post(
            raw=(_JSON, text.encode()), cost=_MIN_PRICE, unspecified=context.documented
        )
        if not 400 <= require_response(exchange).status < 500:
            raise Failed(
                f"HTTP {exchange.status} to a body that is not a JSON object",
                exchange,
                expected="400 invalid_request",
            )


@check("REQ-2", "END-3", fixtures=("example", "example_form", "auto"))
def request_accepts_json_and_form(context: CheckContext) -> None:
    """Accept the documented requests: JSON, a form with a file, and a form without one."""
    for name in ("example", "example_form", "auto"):
        assert_accepted(context, name)


@check("REQ-14", cost=6 * _MIN_PRICE, pays_nothing=True)
def request_rejects_unreadable_body(context: CheckContext) -> None:
    """Reject other content types, malformed JSON and malformed forms with 400 invalid_request."""
    bodies = list(_unreadable_bodies(context))
    with context.expect_no_charge("an unreadable body"):
        calls = [partial(context.client.post, raw=body, cost=_MIN_PRICE) for body in bodies]
        responses = context.run_batch(calls)
        cases = [f"a body of {media_type or 'no content type'}" for media_type, _ in bodies]
        expect_invalid_requests(zip(cases, responses, strict=True))


def _unreadable_bodies(context: CheckContext) -> Iterator[tuple[str, bytes]]:
    """Iterate over pairs of a content type and a body that must not be accepted."""
    valid = json.dumps(context.request_body()).encode()
    for malformed in (b"", valid[:-1], valid + b" {}", valid + b" tail", b'{"n": NaN}'):
        yield _JSON, malformed
    for not_object in (b"[" + valid + b"]", b"[1]", b"null"):
        yield _JSON, not_object
    for media_type in ("", "text/plain"):
        yield media_type, valid
    yield "application/xml", b"<a/>"
    yield "application/x-www-form-urlencoded", b"model=gpt-image-2&prompt=a"
    form = multipart.encode_form(context.form_fields())
    yield "multipart/form-data", form
    for malformed in (form[: len(form) // 2], b"nonsense"):
        yield f"multipart/form-data; boundary={multipart.BOUNDARY}", malformed


@check("REQ-14", "REQ-10", requires=("broke",), cost=_MIN_PRICE)
def request_survives_unusual_bodies(context: CheckContext) -> None:
    """Return no server error to bodies that a parser, a number or a database may fail at."""
    cases = dict(_unusual_bodies(context))
    requests = [
        SimultaneousRequest("broke", raw_body(*body), unspecified=True) for body in cases.values()
    ]
    with FailedCases() as failures:
        exchanges = context.client.send_simultaneously(requests)
        for name, exchange in zip(cases, exchanges, strict=True):
            with failures.case(name):
                if not 400 <= require_response(exchange).status < 500:
                    message = f"HTTP {exchange.status}"
                    raise Failed(message, exchange, expected="400 invalid_request, or 402")


def _unusual_bodies(context: CheckContext) -> Iterator[tuple[str, tuple[str, bytes]]]:
    valid = json.dumps(context.request_body())
    for name, fields in (
        ("NUL in the prompt", {"prompt": "A\0boat"}),
        ("a lone surrogate in the prompt", {"prompt": "A\ud800boat"}),
        ("control characters in the prompt", {"prompt": "\x01\x1b\ufffe\u202e"}),
        ("NUL in the model", {"model": "gpt-image-2\0"}),
        ("a huge size", {"size": f"{'9' * 400}x1024"}),
    ):
        yield name, (_JSON, json.dumps(context.request_body(**fields)).encode())
    for number in ("1e400", "9" * 5000, "-0.0", "1e-400", "0.1e1", "9007199254740993"):
        yield f"n {number[:20]}", (_JSON, f'{{"n": {number}, {valid[1:]}'.encode())
    yield "a repeated field", (_JSON, f'{{"prompt": "A boat", {valid[1:]}'.encode())
    yield "deep nesting", (_JSON, b'{"prompt": ' + b"[" * 20_000)
    yield "deep nesting, closed", (_JSON, b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}")
    for encoding in ("utf-16", "utf-32", "utf-7"):
        yield f"JSON in {encoding}", (_JSON, valid.encode(encoding))
    yield "bytes that are not UTF-8", (_JSON, valid.replace("paper", "\xff").encode("latin-1"))
    yield "an unknown charset", (f"{_JSON}; charset=nonsense", valid.encode())
    form = multipart.encode_form(context.form_fields())
    media_type = f"multipart/form-data; boundary={multipart.BOUNDARY}"
    for name, old, new in (
        ("a form with a repeated field", b"--\r\n", b"\r\n" + form),
        ("a form with bytes that are not UTF-8", b"paper", b"\xff\xfe"),
        ("a form with NUL", b"paper", b"\0"),
        ("a form with a nameless field", b'name="size"', b"a=b"),
        ("a form with the number of an Arabic script", b"\r\n1\r\n", "\r\n\u0661\r\n".encode()),
    ):
        yield name, (media_type, form.replace(old, new))
    yield "a form without a boundary", ("multipart/form-data; boundary=", form)


@check("REQ-14", "REQ-16", "REQ-2", requires=("broke",), cost=_MIN_PRICE)
def request_accepts_variations_of_http(context: CheckContext) -> None:
    """Read a body whatever its transfer coding, the case of its media type and its part headers."""
    cases = dict(_http_variations(context))
    requests = [
        SimultaneousRequest("broke", raw_body(*body), headers=headers)
        for body, headers in cases.values()
    ]
    with FailedCases() as failures:
        exchanges = context.client.send_simultaneously(requests)
        for name, exchange in zip(cases, exchanges, strict=True):
            with failures.case(name, "REQ-16" if "form" in name else "REQ-14"):
                expect_error(exchange, 402, "insufficientCredits")


_Variation = tuple[tuple[str, bytes], dict[str, str]]


def _http_variations(context: CheckContext) -> Iterator[tuple[str, _Variation]]:
    """Iterate over requests that mean the same as an ordinary one without enough credits."""
    body = json.dumps(context.request_body()).encode()
    files = [("reference_image", file) for file in upload_files(("sunset.png",))]
    form = multipart.encode_form(context.form_fields(), files)
    media_type = f"multipart/form-data; boundary={multipart.BOUNDARY}"
    yield "JSON", ((_JSON, body), {})
    yield "JSON in chunks", ((_JSON, in_chunks(body)), _CHUNKED)
    yield "JSON with Expect: 100-continue", ((_JSON, body), {"Expect": "100-continue"})
    yield "JSON with spaces and line feeds", ((_JSON, b"\r\n\t " + body + b"\n"), {})
    for json_type in ("Application/JSON", 'application/json ; charset="UTF-8"'):
        yield f"a body of {json_type}", ((json_type, body), {})
    yield "a form", ((media_type, form), {})
    yield "a form in chunks", ((media_type, in_chunks(form)), _CHUNKED)
    for form_type in (
        media_type.replace("multipart/form-data", "Multipart/Form-Data"),
        media_type.replace("boundary=", 'boundary="') + '"',
        media_type.replace("boundary=", "charset=utf-8; Boundary="),
    ):
        yield f"a form of {form_type}", ((form_type, form), {})
    for name, old, new in (
        ("typed text", b'"\r\n\r\n', b'"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'),
        ("part headers in lower case", b"Content-Disposition", b"content-disposition"),
        ("a file name in Hindi", b"sunset.png", "\u0938\u0942\u0930\u091c.png".encode()),
        ("a file name with a path", b"sunset.png", b"../../C:%5Cpictures/a b;c.png"),
        ("a long file name", b"sunset.png", b"x" * 200 + b".png"),
        ("a file name in UTF-8 too", b'sunset.png"', b"a.png\"; filename*=UTF-8''%E2%82%AC.png"),
    ):
        yield f"a form with {name}", ((media_type, form.replace(old, new)), {})


def in_chunks(content: bytes) -> bytes:
    """Return *content* in two chunks, and the empty one that ends it."""
    middle = len(content) // 2
    parts = (content[:middle], content[middle:], b"")
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@check("REQ-14", fixtures=("unknown_field",))
def request_accepts_charset(context: CheckContext) -> None:
    """Accept JSON with a content type that has charset=utf-8."""
    _assert_variant_accepted(context, "unknown_field", "JSON with a charset")


@check("REQ-16", fixtures=("form_async",))
def request_accepts_files_before_fields(context: CheckContext) -> None:
    """Accept a form whose text fields follow its file."""
    _assert_variant_accepted(context, "form_async", "a form with its file first")


def _assert_variant_accepted(context: CheckContext, name: str, description: str) -> None:
    """Require a generation to be accepted in the variant of its fixture, not only without it."""
    generation = context.generation(name)
    if generation.first_rejection and generation.accepted:
        raise Failed(
            f"HTTP {generation.first_rejection.status} to {description}, which works otherwise",
            generation.first_rejection,
            expected="200, or 202 for a task",
        )
    assert_accepted(context, name)


@check("REQ-16", fixtures=("form_async",))
def request_accepts_async_in_form(context: CheckContext) -> None:
    """Queue a task for a form with async=true."""
    expect(assert_accepted(context, "form_async").exchange, 202)


@check("REQ-16", cost=4 * _MIN_PRICE, pays_nothing=True)
def request_rejects_malformed_form_values(context: CheckContext) -> None:
    """Reject a form field whose text is not a value of its type with 400 invalid_request."""
    with context.expect_no_charge("a form with a malformed value"):
        changes = ({"n": "two"}, {"n": "1.5"}, {"n": ""}, {"async": "yes"}, {"async": "1"})
        expect_invalid_requests(
            (
                f"a form with {describe_fields(change)}",
                context.client.post(form=context.form_fields() | change, cost=4 * _MIN_PRICE),
            )
            for change in changes
        )
