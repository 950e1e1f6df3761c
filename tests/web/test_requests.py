"""JSON bodies: which values are accepted, and the error messages for the others."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.live_server import RICH, LiveHub

FIELDS = {"model": "gpt-image-2", "prompt": "x"}


@pytest.fixture(autouse=True)
def no_charge_and_no_5xx(shared_hub: LiveHub) -> Iterator[None]:
    """Check that no 4xx is charged and that there is no 5xx."""
    before, spent = shared_hub.credits(RICH), 0
    responses: list[httpx.Response] = []
    shared_hub.client.event_hooks["response"] = [responses.append]
    yield
    shared_hub.client.event_hooks["response"] = []
    for response in responses:
        assert response.status_code < 500
        if response.status_code < 300 and response.request.method == "POST":
            response.read()
            usage = response.json()["usage"]
            spent += usage.get("credits_requested", usage["credits"])
    assert shared_hub.credits(RICH) == before - spent


def post(
    shared_hub: LiveHub, body: Any, content_type: str | None = "application/json", **headers: str
) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if content_type is not None:
        headers["Content-Type"] = content_type
    return shared_hub.generate(key=RICH, content=raw, headers=headers)


def error_message(response: httpx.Response) -> str:
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
    message: str = response.json()["error"]["message"]
    assert len(message) < 600
    return message


def body_with(value: bytes, field: str = "n") -> bytes:
    """Return a body in which *field* has this raw JSON value."""
    return b'{"model":"gpt-image-2","prompt":"x","%s":%s}' % (field.encode(), value)


@pytest.mark.parametrize("model", ["nope", "", "GPT-IMAGE-2", "gpt-image-2 ", None, 1, [], {}])
def test_model_must_be_listed(shared_hub: LiveHub, model: Any) -> None:
    """The message names a listed model (REQ-1)."""
    message = error_message(post(shared_hub, {**FIELDS, "model": model}))
    assert message.startswith(f"model: {json.dumps(model)} is not")
    assert "gpt-image-2" in message.partition("expected")[2]


@pytest.mark.parametrize("field", ["model", "prompt"])
def test_model_and_prompt_are_required(shared_hub: LiveHub, field: str) -> None:
    """The message names the missing field (REQ-11)."""
    body = {name: value for name, value in FIELDS.items() if name != field}
    assert error_message(post(shared_hub, body)).startswith(f"{field} is missing; expected")


@pytest.mark.parametrize("letter", ["x", "é", "字", "😀", "\x00", "\n", "\u202e", "\U000e0061"])
def test_prompt_has_up_to_32000_characters(shared_hub: LiveHub, letter: str) -> None:
    """The length is counted in code points (REQ-2, REQ-11)."""
    for ascii_only in (True, False):
        for count, status in ((1, 200), (32_000, 200), (32_001, 400)):
            text = json.dumps({**FIELDS, "prompt": count * letter}, ensure_ascii=ascii_only)
            assert post(shared_hub, text.encode()).status_code == status
    message = error_message(post(shared_hub, text.encode()))
    assert "(32001 characters)" in message
    assert message.endswith("expected a string of 1 to 32000 characters")


@pytest.mark.parametrize("prompt", ["", None, 1, True, ["x"], {"text": "x"}])
def test_prompt_must_be_a_nonempty_string(shared_hub: LiveHub, prompt: Any) -> None:
    """An empty prompt, null or another type is rejected (REQ-11, REQ-12)."""
    assert error_message(post(shared_hub, {**FIELDS, "prompt": prompt})).startswith("prompt: ")


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_n_is_1_to_4(shared_hub: LiveHub, n: int) -> None:
    """A request can ask for 1 to 4 images (REQ-5)."""
    assert len(post(shared_hub, {**FIELDS, "n": n}).json()["images"]) == n


@pytest.mark.parametrize("n", ["0", "5", "-1", "1.5", "true", "null", '"1"', "[]", "{}", "1e2"])
def test_other_values_of_n_are_rejected(shared_hub: LiveHub, n: str) -> None:
    """The message shows the value and the allowed range (REQ-5, REQ-12)."""
    message = error_message(post(shared_hub, body_with(n.encode())))
    assert message.startswith("n: ")
    assert message.endswith("expected an integer from 1 to 4")


@pytest.mark.parametrize("n", [b"1.0", b"1e0", b"10e-1"])
def test_n_may_have_a_decimal_point(shared_hub: LiveHub, n: bytes) -> None:
    """JSON has one kind of number: 1.0 is the integer 1 (REQ-12)."""
    assert len(post(shared_hub, body_with(n)).json()["images"]) == 1


@pytest.mark.parametrize(
    "n", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"2" + 5000 * b"0", b"01", b"+1", b"0x1"]
)
def test_invalid_number_is_rejected(shared_hub: LiveHub, n: bytes) -> None:
    """A number that JSON or a double cannot represent; the message quotes the place (REQ-14)."""
    message = error_message(post(shared_hub, body_with(n)))
    assert "not valid JSON" in message
    assert '\\"n\\":' in message


@pytest.mark.parametrize("size", ["auto", "1024x1024", "1536x1024", "16x16", "3840x2160", "48x16"])
def test_valid_sizes_are_accepted(shared_hub: LiveHub, size: str) -> None:
    """size is auto or WIDTHxHEIGHT, both sides divisible by 16 (REQ-3, REQ-13)."""
    assert post(shared_hub, {**FIELDS, "size": size}).status_code == 200


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("1000x1000", "sides divisible by 16"),
        ("64x16", "a ratio from 1:3 to 3:1"),
        ("16x64", "a ratio from 1:3 to 3:1"),
        ("3840x2176", "at most 3840x2160"),
        ("3856x2160", "at most 3840x2160"),
        ("1024X1024", "WIDTHxHEIGHT"),
        ("1024x1024\n", "WIDTHxHEIGHT"),
        (" 1024x1024", "WIDTHxHEIGHT"),
        ("01024x1024", "WIDTHxHEIGHT"),
        ("１０２４x1024", "WIDTHxHEIGHT"),
        ("0x0", "WIDTHxHEIGHT"),
        ("AUTO", "WIDTHxHEIGHT"),
        ("1:1", "WIDTHxHEIGHT"),
        ("", "WIDTHxHEIGHT"),
        (None, "WIDTHxHEIGHT"),
        (1024, "WIDTHxHEIGHT"),
        (["auto"], "WIDTHxHEIGHT"),
    ],
)
def test_invalid_size_is_rejected(shared_hub: LiveHub, size: Any, expected: str) -> None:
    """The message has the rule that the size violates (REQ-13)."""
    message = error_message(post(shared_hub, {**FIELDS, "size": size}))
    assert message.startswith("size: ")
    assert expected in message.partition("expected")[2]


@pytest.mark.parametrize("quality", ["auto", "low", "medium", "high"])
def test_quality_is_one_of_four(shared_hub: LiveHub, quality: str) -> None:
    """quality is auto, low, medium or high (REQ-4)."""
    assert post(shared_hub, {**FIELDS, "quality": quality}).status_code == 200


@pytest.mark.parametrize("quality", ["HIGH", "hd", "1K", "", None, 1])
def test_other_qualities_are_rejected(shared_hub: LiveHub, quality: Any) -> None:
    """The message lists the four qualities (REQ-4, REQ-12)."""
    message = error_message(post(shared_hub, {**FIELDS, "quality": quality}))
    assert message.startswith("quality: ")
    assert message.endswith("expected one of auto, low, medium, high")


@pytest.mark.parametrize("value", ["true", 1, 0, None, [], ""])
def test_async_is_a_boolean(shared_hub: LiveHub, value: Any) -> None:
    """Strings, numbers and null are rejected (REQ-12)."""
    message = error_message(post(shared_hub, {**FIELDS, "async": value}))
    assert message.startswith("async: ")
    assert message.endswith("expected true or false")


def test_fields_have_defaults(shared_hub: LiveHub) -> None:
    """The defaults are n 1, size auto, quality auto and async false (REQ-12)."""
    body = post(shared_hub, FIELDS).json()
    assert (
        body["status"],
        len(body["images"]),
        body["aspect_ratio"],
        body["quality"],
    ) == ("succeeded", 1, "auto", "1K")


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [[[]]], {"a": {"a": 1}}])
def test_unknown_fields_are_ignored(shared_hub: LiveHub, value: Any) -> None:
    """A field that the documentation does not have is ignored, whatever its value (REQ-15)."""
    assert post(shared_hub, {**FIELDS, "user": value}).status_code == 200


@pytest.mark.parametrize("value", [None, [], "x", {}, "", False])
def test_reference_image_in_json_is_rejected(shared_hub: LiveHub, value: Any) -> None:
    """Also null and empty values; the message says to use a form (REQ-6)."""
    message = error_message(post(shared_hub, {**FIELDS, "reference_image": value}))
    assert message.startswith("reference_image is not valid in a JSON body")
    assert "multipart/form-data" in message


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-image-2","prompt":"x","n":1,"n":2}',
        b'{"model":"gpt-image-2","prompt":"x","n":1,"\\u006e":1}',
        b'{"model":"gpt-image-2","prompt":"a: b","n":1,"n":2}',
        b'{"model":"gpt-image-2","prompt":"a\\u003a","n":1,"n":2}',
        b'{"model":"gpt-image-2","prompt":"x","user":{"n":1,"n":2}}',
    ],
)
def test_duplicate_key_is_rejected(shared_hub: LiveHub, body: bytes) -> None:
    """Also when it is escaped differently or nested (REQ-14)."""
    assert error_message(post(shared_hub, body)).startswith('"n" occurs twice')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model"',
        b'{"model":"gpt-image-2","prompt":"x",}',
        b'{"model":"gpt-image-2","prompt":"x"} x',
        b'{"model":"gpt-image-2","prompt":"x"}//',
        b"{'model':'gpt-image-2'}",
        b'{"model":"gpt-image-2","prompt":"a\nb"}',
        b'{"model":"gpt-image-2","prompt":"\x00"}',
        b'{"model":"gpt-image-2","prompt":"\xff"}',
        b'{"model":"gpt-image-2","prompt":"\xed\xa0\x80"}',
        b'{"model":"gpt-image-2","prompt":"\\ud800"}',
        b'{"model":"gpt-image-2","prompt":"x","\\udfff":1}',
        b'\xef\xbb\xbf\xef\xbb\xbf{"model":"gpt-image-2","prompt":"x"}',
        '{"model":"gpt-image-2","prompt":"x"}'.encode("utf-16"),
        gzip.compress(b'{"model":"gpt-image-2","prompt":"x"}', mtime=0),
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"model=gpt-image-2&prompt=x",
    ],
)
def test_body_must_be_a_json_object(shared_hub: LiveHub, body: bytes) -> None:
    """A body that is not a JSON object in UTF-8 is rejected (REQ-10, REQ-14)."""
    message = error_message(post(shared_hub, body))
    assert message.startswith("The body is ")
    assert message.endswith("expected a JSON object")


def test_byte_order_mark_is_ignored(shared_hub: LiveHub) -> None:
    """PowerShell and .NET write one; RFC 8259 lets a parser ignore it (REQ-14)."""
    body = codecs.BOM_UTF8 + b'{"model":"gpt-image-2","prompt":"x","n":2}'
    assert len(post(shared_hub, body).json()["images"]) == 2
    repeated = body.replace(b'"n":2', b'"n":2,"n":2')
    assert "occurs twice" in error_message(post(shared_hub, repeated))


@pytest.mark.parametrize("field", ["n", "size", "quality", "async"])
def test_null_of_an_optional_field_is_explained(shared_hub: LiveHub, field: str) -> None:
    """The message says that the field can be left out (REQ-12)."""
    message = error_message(post(shared_hub, {**FIELDS, field: None}))
    assert message.startswith(f"{field}: null is not valid, leave it out for the default; expected")
    assert "leave it out" not in error_message(post(shared_hub, {**FIELDS, "prompt": None}))


@pytest.mark.parametrize("depth", [200, 300, 900, 1000, 1020, 100_000])
@pytest.mark.parametrize("field", ["n", "user"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deeply_nested_body_is_handled(
    shared_hub: LiveHub, depth: int, field: str, opening: bytes, closing: bytes
) -> None:
    """A deeply nested body is rejected, or ignored in an unknown field (REQ-14)."""
    response = post(shared_hub, body_with(depth * opening + b"1" + depth * closing, field))
    if field == "n" or response.status_code != 200:
        error_message(response)
    error_message(post(shared_hub, depth * opening))


def test_too_long_body_is_rejected(shared_hub: LiveHub) -> None:
    """A body of megabytes is rejected without being read to its end."""
    message = error_message(post(shared_hub, {**FIELDS, "user": 3_000_000 * "x"}))
    assert message.startswith("The body is too long; expected at most")


@pytest.mark.parametrize(
    "content_type",
    [
        "APPLICATION/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; odata=x; charset=utf-8",
        "application/json; charset=utf-8; odata=x",
        "application/json;",
    ],
)
def test_content_type_may_have_parameters(shared_hub: LiveHub, content_type: str) -> None:
    """The case and the parameters of the media type are ignored (REQ-14)."""
    assert post(shared_hub, FIELDS, content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "json",
        "text/plain",
        "application/vnd.api+json",
        "application/json, application/json",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application/" + 5000 * "j",
    ],
)
def test_other_content_types_are_rejected(shared_hub: LiveHub, content_type: str | None) -> None:
    """A missing Content-Type is rejected too (REQ-14)."""
    start = "Content-Type: " if content_type else "Content-Type is missing; expected "
    assert error_message(post(shared_hub, FIELDS, content_type)).startswith(start)


def test_repeated_content_type_is_rejected(shared_hub: LiveHub) -> None:
    """A request must have one Content-Type (REQ-14)."""
    headers = [("Content-Type", "application/json")] * 2 + [("Authorization", f"Bearer {RICH}")]
    path = "/api/v1/images/generations"
    assert "Content-Type" in error_message(
        shared_hub.client.post(path, content=json.dumps(FIELDS), headers=headers)
    )


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity"])
def test_compressed_body_is_rejected(shared_hub: LiveHub, coding: str) -> None:
    """The message names the Content-Encoding; identity is accepted (REQ-14)."""
    message = error_message(post(shared_hub, FIELDS, **{"Content-Encoding": coding}))
    assert message.startswith("Content-Encoding: ")
    assert post(shared_hub, FIELDS, **{"Content-Encoding": "identity"}).status_code == 200


def test_message_truncates_long_values(shared_hub: LiveHub) -> None:
    """The message shows the beginning of a long value and its length (REQ-10)."""
    message = error_message(post(shared_hub, {**FIELDS, "n": 100_000 * "9"}))
    assert "(100000 characters)" in message
