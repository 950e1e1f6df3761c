"""multipart/form-data bodies: fields, reference images, boundaries, malformed forms."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub._resources import resource_path
from mockhub.web.multipart_delimiters import DelimiterNormalizer
from tests.support.live_server import JPEG, PNG, RICH, WEBP, LiveHub
from tests.support.multipart import FORM, MODEL, file_part, form_body, text_part

UPLOADS = resource_path("fixtures/uploads")


def post_form(shared_hub: LiveHub, body: bytes, content_type: str | bytes = FORM) -> httpx.Response:
    headers = [(b"authorization", f"Bearer {RICH}".encode())]
    raw = content_type.encode() if isinstance(content_type, str) else content_type
    headers.append((b"content-type", raw))
    return shared_hub.client.post("/api/v1/images/generations", content=body, headers=headers)


def error_message(shared_hub: LiveHub, body: bytes, content_type: str | bytes = FORM) -> str:
    """Return the error message for an invalid form, for which nothing is charged."""
    before = shared_hub.credits(RICH)
    response = post_form(shared_hub, body, content_type)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
    assert shared_hub.credits(RICH) == before
    message: str = response.json()["error"]["message"]
    assert len(message) < 400
    return message


def count_references(shared_hub: LiveHub, body: bytes, content_type: str | bytes = FORM) -> int:
    """Return the number of reference images that the mock read from an accepted form."""
    response = post_form(shared_hub, body, content_type)
    assert response.status_code == 200, response.text
    id = response.json()["id"]
    generation = shared_hub.server.call(lambda: shared_hub.backend.generations[id])
    return len(generation.request.references)


def test_form_fields_are_text(shared_hub: LiveHub) -> None:
    """A form has the same fields as a JSON body, written as text (REQ-2, REQ-16)."""
    fields = [text_part("n", "2"), text_part("size", "2048x2048"), text_part("quality", "low")]
    body = post_form(shared_hub, form_body(*fields)).json()
    assert (len(body["images"]), body["quality"], body["usage"]["credits"]) == (2, "2K", 20)
    assert post_form(shared_hub, form_body(text_part("async", "true"))).status_code == 202
    assert post_form(shared_hub, form_body(text_part("async", "false"))).status_code == 200


@pytest.mark.parametrize(
    "n",
    [
        "2.0",
        " 2",
        "2 ",
        "+2",
        "02",
        "２",
        "",
        "true",
        "0",
        "5",
        "-0",
        "1e0",
        "null",
        '"2"',
        5000 * "9",
    ],
)
def test_numbers_are_read_strictly(shared_hub: LiveHub, n: str) -> None:
    """n is an integer as JSON writes it; everything else is rejected (REQ-5, REQ-16)."""
    message = error_message(shared_hub, form_body(text_part("n", n)))
    assert message.startswith("n: ")
    assert message.endswith("expected an integer from 1 to 4")


@pytest.mark.parametrize("value", ["True", "1", "0", "yes", "on", "", " true"])
def test_booleans_are_read_strictly(shared_hub: LiveHub, value: str) -> None:
    """async is true or false; everything else is rejected (REQ-16)."""
    assert error_message(shared_hub, form_body(text_part("async", value))).endswith(
        "expected true or false"
    )


def test_repeated_field_is_rejected(shared_hub: LiveHub) -> None:
    """A known field must not repeat; unknown fields and files are ignored (REQ-15)."""
    message = error_message(shared_hub, form_body(text_part("n", "1"), text_part("n", "1")))
    assert message == "n occurs twice; expected once"
    ignored = [
        text_part("user", "a"),
        text_part("user", "b"),
        file_part(b"?", name="mask"),
        file_part(b"", name="mask"),
    ]
    assert (
        count_references(
            shared_hub,
            form_body(*ignored, file_part(b"?", name="reference_image[]"), text_part("", "x")),
        )
        == 0
    )


def test_model_and_prompt_are_required(shared_hub: LiveHub) -> None:
    """The message names the missing field (REQ-10, REQ-11)."""
    assert error_message(shared_hub, b"--B--\r\n").startswith("model is missing")
    only_model = b"--B\r\n" + MODEL + b"\r\n--B--\r\n"
    assert error_message(shared_hub, only_model).startswith("prompt is missing")


def test_prompt_has_up_to_32000_characters(shared_hub: LiveHub) -> None:
    """The prompt's length is counted in characters, not bytes (REQ-11)."""
    bodies = [
        b"--B\r\n" + MODEL + b"\r\n--B\r\n" + text_part("prompt", count * "😀")
        for count in (32_000, 32_001)
    ]
    assert count_references(shared_hub, bodies[0] + b"\r\n--B--\r\n") == 0
    assert "32001 characters" in error_message(shared_hub, bodies[1] + b"\r\n--B--\r\n")
    for prompt in (b"\xff", b"\xed\xa0\x80"):
        body = b"--B\r\n" + MODEL + b"\r\n--B\r\n" + text_part("prompt", prompt) + b"\r\n--B--\r\n"
        assert error_message(shared_hub, body) == "prompt is not valid UTF-8 at byte 0"


@pytest.mark.parametrize(
    "name",
    ["sunset.png", "sunset.jpg", "sunset.jpeg", "sunset.webp", "camera.jpg", "lossy.webp"],
)
def test_png_jpeg_and_webp_are_accepted(shared_hub: LiveHub, name: str) -> None:
    """PNG, JPG, JPEG and WebP are accepted, and the response is like any other (REQ-8, GEN-9)."""
    assert count_references(shared_hub, form_body(file_part((UPLOADS / name).read_bytes()))) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cut_header.png", "begins with"),
        ("drawing.svg", "begins with"),
        ("empty.png", "empty"),
        ("gif_named.png", "image/gif"),
        ("page.html", "begins with"),
        ("picture.bmp", "image/bmp"),
        ("text_named.png", "begins with"),
    ],
)
def test_other_file_types_are_rejected(shared_hub: LiveHub, name: str, expected: str) -> None:
    """A file with other content is rejected, whatever its name (REQ-8, REQ-17)."""
    message = error_message(shared_hub, form_body(file_part((UPLOADS / name).read_bytes())))
    assert message.startswith("reference_image is ")
    assert expected in message
    assert "expected image/png, image/jpeg, image/webp" in message


@pytest.mark.parametrize("content", [PNG, JPEG, WEBP])
def test_content_decides_the_file_type(shared_hub: LiveHub, content: bytes) -> None:
    """An image is accepted although its name and declared type are wrong (REQ-17)."""
    head = 'Content-Disposition: form-data; name="reference_image"; filename="a.txt"\r\n'
    part = head.encode() + b"Content-Type: text/plain\r\n\r\n" + content
    assert count_references(shared_hub, form_body(part)) == 1


@pytest.mark.parametrize(
    ("start", "shown"),
    [(b"hello\n", r"hello\n"), (b"GIF\xff\0", r"GIF\xff\x00"), ("भ".encode(), "भ")],
)
def test_beginning_of_a_file_of_another_type_is_shown_as_text(
    shared_hub: LiveHub, start: bytes, shown: str
) -> None:
    head = b'Content-Disposition: form-data; name="reference_image"; filename="a"\r\n\r\n'
    message = error_message(shared_hub, form_body(head + start))
    assert message.startswith(f'reference_image is a file that begins with "{shown}"; expected ')


@pytest.mark.parametrize("media_type", ["image/png", "IMAGE/X", "application/octet-stream"])
def test_file_needs_no_filename(shared_hub: LiveHub, media_type: str) -> None:
    """The media type makes a part a file; its content decides what it is (REQ-8, REQ-17)."""
    head = 'Content-Disposition: form-data; name="reference_image"\r\n'
    part = f"{head}Content-Type: {media_type}\r\n\r\n".encode()
    assert count_references(shared_hub, form_body(part + PNG)) == 1
    assert "reference_image is a file that begins with" in error_message(
        shared_hub, form_body(part + b"GIF")
    )
    text = part.replace(b"reference_image", b"n") + b"2"
    if media_type == "application/octet-stream":
        assert len(post_form(shared_hub, form_body(text)).json()["images"]) == 2
    else:
        assert error_message(shared_hub, form_body(text)).startswith("n is a file")


def test_16_references_are_the_maximum(shared_hub: LiveHub) -> None:
    """16 reference images are accepted, 17 are rejected (REQ-7)."""
    assert count_references(shared_hub, form_body(*[file_part()] * 16)) == 16
    assert "17 files are too many; expected at most 16" in error_message(
        shared_hub, form_body(*[file_part()] * 17)
    )


@pytest.mark.parametrize(
    "rest",
    [
        '; filename="r.png"',
        "; filename=r.png",
        '; filename="Ünïcødé 😀.png"',
        '; filename="a\\"b.png"',
        '; filename="a%22b.png"',
        '; filename="a;b=c.png"',
        '; filename="C:\\pictures\\a.png"',
        '; filename=""',
        "; filename*=UTF-8''%e2%82%ac.png",
        "; FileName*=utf-8'en'a.png",
        "; filename*0=a; filename*1=.png",
        ";filename=\"r.png\"; filename*=UTF-8''r.png",
    ],
)
def test_every_filename_syntax_is_accepted(shared_hub: LiveHub, rest: str) -> None:
    """A part with a filename is a file, however the name is quoted or encoded (REQ-8)."""
    assert count_references(shared_hub, form_body(file_part(rest=rest))) == 1


def test_empty_part_without_filename_is_ignored(shared_hub: LiveHub) -> None:
    """Browsers send it where no file is chosen; an empty file with a name is rejected (REQ-8)."""
    assert count_references(shared_hub, form_body(file_part(b"", rest='; filename=""'))) == 0
    assert (
        count_references(shared_hub, form_body(file_part(b"", rest='; filename=""'), file_part()))
        == 1
    )
    assert "reference_image is empty" in error_message(shared_hub, form_body(file_part(b"")))


def test_text_for_file_and_file_for_text_are_rejected(shared_hub: LiveHub) -> None:
    """reference_image must be a file, and the other fields must be text (REQ-6)."""
    for value in ("", "abc", "https://example.com/a.png"):
        message = error_message(shared_hub, form_body(text_part("reference_image", value)))
        assert (
            message
            == "reference_image is a text field; expected a file with a filename or an image type"
        )
    assert error_message(shared_hub, form_body(file_part(b"2", name="n"))).startswith(
        "n is a file; expected an integer"
    )


@pytest.mark.parametrize(
    "part",
    [
        b'CONTENT-DISPOSITION: FORM-DATA; NAME="n"\r\n\r\n2',
        b'Content-Disposition:form-data;name="n"\r\n\r\n2',
        b'Content-Type: text/plain\r\nX: \r\nContent-Disposition: form-data; name="n"\r\n\r\n2',
        b'Content-Disposition: form-data; name="n"\r\nContent-Transfer-Encoding: binary\r\n\r\n2',
    ],
)
def test_part_headers_follow_http_syntax(shared_hub: LiveHub, part: bytes) -> None:
    """The case and blanks of a part's headers are ignored, and so are unknown headers."""
    assert len(post_form(shared_hub, form_body(part)).json()["images"]) == 2


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (8 * b"X: y\r\n", "A part of the form has too many headers; expected at most 8"),
        (40 * b"X: y\r\n", "A part of the form has too many headers; expected at most 8"),
        (
            b"X: %s\r\n" % (4096 * b"a"),
            "A header of a part of the form is too long; expected at most 4096 bytes",
        ),
    ],
)
def test_headers_of_a_part_are_bounded(shared_hub: LiveHub, headers: bytes, message: str) -> None:
    """Nine headers, or more than 4 KB in one, are rejected; eight and 4 KB are accepted."""
    part = b'Content-Disposition: form-data; name="n"\r\n\r\n2'
    assert error_message(shared_hub, form_body(headers + part)) == message
    allowed = headers.partition(b"\r\n")[0][:4096] + b"\r\n"
    assert post_form(shared_hub, form_body(7 * allowed + part)).status_code == 200


def part_with(headers: str, content: bytes, name: str = "prompt") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n{headers}\r\n\r\n'.encode() + content


def post_prompt(
    shared_hub: LiveHub, *parts: bytes, content_type: str = FORM
) -> tuple[int, str | None]:
    """Send a form with these parts after the model; return the status and the prompt or error."""
    body = b"".join(b"--B\r\n%s\r\n" % part for part in (MODEL, *parts)) + b"--B--\r\n"
    before = shared_hub.credits(RICH)
    response = post_form(shared_hub, body, content_type).json()
    if "error" in response:
        assert shared_hub.credits(RICH) == before
        return 400, response["error"]["message"]
    id = response["id"]
    return 200, shared_hub.server.call(lambda: shared_hub.backend.generations[id].request.prompt)


@pytest.mark.parametrize(
    ("charset", "content", "prompt"),
    [
        ("utf-8", "Käse".encode(), "Käse"),
        ("UTF8", "Käse".encode(), "Käse"),
        ("us-ascii", b"A fox", "A fox"),
        ("iso-8859-1", "Käse".encode("latin-1"), "Käse"),
        ("ISO-8859-1", "Käse".encode(), "KÃ¤se"),
        ("windows-1252", "9 €".encode("cp1252"), "9 €"),
    ],
)
def test_charset_of_a_text_field_is_honoured(
    shared_hub: LiveHub, charset: str, content: bytes, prompt: str
) -> None:
    """The field states it, or `_charset_` or the form for all fields (RFC 7578)."""
    plain = part_with("X: 1", content)
    own = part_with(f"Content-Type: text/plain; charset={charset}", content)
    for_all = text_part("_charset_", charset)
    assert post_prompt(shared_hub, own) == (200, prompt)
    assert post_prompt(shared_hub, plain, for_all) == (200, prompt)
    assert post_prompt(shared_hub, plain, content_type=f"{FORM}; charset={charset}") == (
        200,
        prompt,
    )
    other = part_with('Content-Type: text/plain; charset="utf-8"', "é".encode())
    assert post_prompt(shared_hub, other, for_all) == (200, "é")


@pytest.mark.parametrize(
    "charset", ["utf-16le", "utf-16", "utf-7", "shift_jis", "cp037", "rot13", "idna", "x\x80"]
)
def test_other_charsets_are_rejected_by_name(shared_hub: LiveHub, charset: str) -> None:
    """Nothing is read as noise and charged (REQ-14)."""
    own = part_with(f"Content-Type: text/plain; charset={charset}", b"A\0f\0")
    plain = text_part("prompt", b"A\0f\0")
    for found in (
        post_prompt(shared_hub, own),
        post_prompt(shared_hub, text_part("_charset_", charset), plain),
    ):
        assert (found[0], "is not supported; expected utf-8" in str(found[1])) == (400, True)
    if charset.isascii():
        status, message = post_prompt(shared_hub, plain, content_type=f"{FORM}; charset={charset}")
        assert (status, f'charset "{charset}" is not' in str(message)) == (400, True)


def test_undecodable_text_names_the_charset(shared_hub: LiveHub) -> None:
    own = part_with("Content-Type: text/plain; charset=windows-1252", b"a\x81")
    assert post_prompt(shared_hub, own) == (400, "prompt is not valid WINDOWS-1252 at byte 1")


@pytest.mark.parametrize("encoding", ["base64", "Quoted-Printable"])
def test_transfer_encodings_are_rejected_by_name(shared_hub: LiveHub, encoding: str) -> None:
    """Encoded text would be read as noise and charged; RFC 7578 deprecates it (REQ-14)."""
    header = f"Content-Transfer-Encoding: {encoding}"
    status, message = post_prompt(shared_hub, part_with(header, b"QQ=="))
    assert (status, f'prompt: Content-Transfer-Encoding "{encoding}" is not' in str(message)) == (
        400,
        True,
    )


PADDED = form_body(file_part()).replace(b"--B\r\n", b"--B \t \r\n")
ALLOWED = [
    b"\r\n" + form_body(file_part()),
    b"\n" + b"x\r\n" + form_body(file_part()),
    b"This is a multi-part message in MIME format.\r\n" + form_body(file_part()),
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + form_body(file_part()),
    b"--- not yet ---\r\n-- B\r\n" + form_body(file_part()),
    b"x" + 100_000 * b"--B" + b"\r\n" + form_body(file_part()),
    form_body(file_part()) + b"--B\r\nepilogue",
    PADDED,
    PADDED.replace(b"--B--\r\n", b"--B--  \r\n"),
    b"preamble\r\n" + PADDED.replace(b" \t ", 256 * b" "),
]


@pytest.mark.parametrize("body", ALLOWED)
def test_preamble_and_blanks_around_delimiters_are_accepted(
    shared_hub: LiveHub, body: bytes
) -> None:
    """Bytes before the first delimiter and blanks after one are ignored (RFC 2046)."""
    assert count_references(shared_hub, body) == 1


@given(st.sampled_from(ALLOWED), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_chunks_do_not_matter(body: bytes, sizes: list[int]) -> None:
    """A form is the same however it is cut into chunks, and content keeps its blanks."""
    body = body[-3000:] if len(body) > 10_000 else body
    body = body.replace(PNG, PNG + b"\r\n--B x \t\r\n--B\r-\r\n--")
    whole, cut = DelimiterNormalizer(b"B"), DelimiterNormalizer(b"B")
    pieces, position, turn = [], 0, 0
    while position < len(body):
        size = sizes[turn % len(sizes)]
        pieces.append(cut.feed(body[position : position + size]))
        position, turn = position + size, turn + 1
    found = b"".join(pieces) + cut.finish()
    assert found == whole.feed(body) + whole.finish()
    assert b"\r\n--B x \t\r\n--B\r-\r\n--" in found


def test_missing_boundary_is_named(shared_hub: LiveHub) -> None:
    for body in (b"x", form_body(boundary=b"C"), b"\r\n--\r\n"):
        message = error_message(shared_hub, body)
        assert message.startswith("The boundary of Content-Type does not occur in the body")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B",
        form_body()[:-30],
        form_body()[:-3],
        form_body().removesuffix(b"--B--\r\n"),
        form_body(file_part())[:-40],
        form_body(boundary=b"C"),
        form_body().replace(b"\r\n", b"\n"),
        b'{"model":"gpt-image-2","prompt":"x"}',
        form_body(b'Content Disposition: form-data; name="n"\r\n\r\n2'),
        form_body(b'Content-Disposition: attachment; name="n"\r\n\r\n2'),
        form_body(b"Content-Disposition: form-data\r\n\r\n2"),
        form_body(b"X-Odd: 1\r\n\r\n2"),
        form_body(b"\r\n2"),
        form_body(
            b'Content-Disposition: form-data; name="n"; x="' + 100_000 * b"a" + b'"\r\n\r\n2'
        ),
        form_body(b'Content-Disposition: form-data; name="n"\r\n' + 5000 * b"X: 1\r\n" + b"\r\n2"),
        form_body(*[text_part("user", "1")] * 101),
        form_body(text_part("user", 2_000_000 * "x")),
    ],
)
def test_malformed_form_is_rejected(shared_hub: LiveHub, body: bytes) -> None:
    """A truncated form, or a body in another format, is rejected with a reason (REQ-14)."""
    assert "expected" in error_message(shared_hub, body)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'],
)
def test_form_without_boundary_is_rejected(shared_hub: LiveHub, content_type: str) -> None:
    """The message names the missing boundary (REQ-14)."""
    assert error_message(shared_hub, form_body(), content_type).startswith(
        "Content-Type: the boundary is missing"
    )


@pytest.mark.parametrize(
    "boundary", [b"B", b"----WebKitFormBoundary7MA4YWxk", b"a'()+_,-./:=?b", 70 * b"b"]
)
def test_every_rfc_2046_boundary_is_accepted(shared_hub: LiveHub, boundary: bytes) -> None:
    """The boundary may be quoted and stand beside other parameters."""
    content_type = b'Multipart/Form-Data;  charset=utf-8; BOUNDARY="%s"' % boundary
    assert (
        count_references(shared_hub, form_body(file_part(), boundary=boundary), content_type) == 1
    )


@pytest.mark.parametrize("boundary", [300 * b"b", b"\xe9"])
def test_invalid_boundary_gets_a_response(shared_hub: LiveHub, boundary: bytes) -> None:
    """A boundary that RFC 2046 forbids never causes an internal error (REQ-14)."""
    response = post_form(
        shared_hub, form_body(boundary=boundary), b"multipart/form-data; boundary=" + boundary
    )
    assert response.status_code in (200, 400)


def test_urlencoded_form_is_rejected(shared_hub: LiveHub) -> None:
    """A urlencoded form is neither of the two content types (REQ-14)."""
    message = error_message(
        shared_hub, b"model=gpt-image-2&prompt=x", "application/x-www-form-urlencoded"
    )
    assert "expected application/json or multipart/form-data" in message


def test_every_upload_fixture_is_used() -> None:
    """Each file of fixtures/uploads is used by a test of this module."""
    source = Path(__file__).read_text("utf-8")
    assert [f.name for f in UPLOADS.iterdir() if f.name not in source and f.suffix != ".md"] == []
