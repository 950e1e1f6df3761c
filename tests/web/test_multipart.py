"""Forms and their files, as clients and browsers send them, and as nobody should."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mockhub._resources import resource_path
from tests.support.live_server import JPEG, PNG, RICH, WEBP, LiveHub

MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\ngpt-image-2'
PROMPT = b'Content-Disposition: form-data; name="prompt"\r\n\r\nx'
FORM = "multipart/form-data; boundary=B"
UPLOADS = resource_path("fixtures/uploads")


def text(name: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name.encode(), raw)


def file(
    content: bytes = PNG, *, name: str = "reference_image", rest: str = '; filename="r.png"'
) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"{rest}\r\n'
    return disposition.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content


def form(*parts: bytes, boundary: bytes = b"B") -> bytes:
    lines = [b"--%s\r\n%s\r\n" % (boundary, part) for part in (MODEL, PROMPT, *parts)]
    return b"".join(lines) + b"--%s--\r\n" % boundary


def post(shared_hub: LiveHub, body: bytes, content_type: str | bytes = FORM) -> httpx.Response:
    headers = [(b"authorization", f"Bearer {RICH}".encode())]
    raw = content_type.encode() if isinstance(content_type, str) else content_type
    headers.append((b"content-type", raw))
    return shared_hub.client.post("/api/v1/images/generations", content=body, headers=headers)


def error_message(shared_hub: LiveHub, body: bytes, content_type: str | bytes = FORM) -> str:
    """Return the error message for an invalid form, for which nothing is charged."""
    before = shared_hub.credits(RICH)
    answer = post(shared_hub, body, content_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert before == shared_hub.credits(RICH)
    message: str = answer.json()["error"]["message"]
    assert len(message) < 400
    return message


def accepted_references(shared_hub: LiveHub, body: bytes, content_type: str | bytes = FORM) -> int:
    """How many reference images the mock has seen in a form that it takes."""
    answer = post(shared_hub, body, content_type)
    assert answer.status_code == 200, answer.text
    made = shared_hub.server.call(lambda: shared_hub.backend.generations[answer.json()["id"]])
    return len(made.request.references)


def test_a_form_says_what_json_says(shared_hub: LiveHub) -> None:
    """In a form the same fields come as text (REQ-2, REQ-16)."""
    fields = [text("n", "2"), text("size", "2048x2048"), text("quality", "low")]
    made = post(shared_hub, form(*fields)).json()
    assert (len(made["images"]), made["quality"], made["usage"]["credits"]) == (2, "2K", 20)
    assert post(shared_hub, form(text("async", "true"))).status_code == 202
    assert post(shared_hub, form(text("async", "false"))).status_code == 200


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
    """n is written as JSON writes an integer, or refused (REQ-5, REQ-16)."""
    message = error_message(shared_hub, form(text("n", n)))
    assert message.startswith("n: ")
    assert message.endswith("expected an integer from 1 to 4")


@pytest.mark.parametrize("value", ["True", "1", "0", "yes", "on", "", " true"])
def test_booleans_are_read_strictly(shared_hub: LiveHub, value: str) -> None:
    """async is written true or false, or refused (REQ-16)."""
    assert error_message(shared_hub, form(text("async", value))).endswith("expected true or false")


def test_a_field_stands_once(shared_hub: LiveHub) -> None:
    """A known field that comes twice is refused; unknown ones and files are ignored (REQ-15)."""
    message = error_message(shared_hub, form(text("n", "1"), text("n", "1")))
    assert message == "n occurs twice; expected once"
    odd = [text("user", "a"), text("user", "b"), file(b"?", name="mask"), file(b"", name="mask")]
    assert (
        accepted_references(
            shared_hub, form(*odd, file(b"?", name="reference_image[]"), text("", "x"))
        )
        == 0
    )


def test_a_form_lacks_nothing(shared_hub: LiveHub) -> None:
    """A form without model or prompt is refused by the field's name (REQ-10, REQ-11)."""
    assert error_message(shared_hub, b"--B--\r\n").startswith("model is missing")
    only_model = b"--B\r\n" + MODEL + b"\r\n--B--\r\n"
    assert error_message(shared_hub, only_model).startswith("prompt is missing")


def test_a_prompt_has_up_to_32000_characters(shared_hub: LiveHub) -> None:
    """The prompt's length is counted in characters, not bytes; lines stay as they are (REQ-11)."""
    long = [
        b"--B\r\n" + MODEL + b"\r\n--B\r\n" + text("prompt", count * "😀")
        for count in (32_000, 32_001)
    ]
    assert accepted_references(shared_hub, long[0] + b"\r\n--B--\r\n") == 0
    assert "32001 characters" in error_message(shared_hub, long[1] + b"\r\n--B--\r\n")
    for wrong in (b"\xff", b"\xed\xa0\x80"):
        broken = b"--B\r\n" + MODEL + b"\r\n--B\r\n" + text("prompt", wrong) + b"\r\n--B--\r\n"
        assert error_message(shared_hub, broken) == "prompt is not valid UTF-8 at byte 0"


@pytest.mark.parametrize("name", ["sunset.png", "sunset.jpg", "sunset.jpeg", "sunset.webp"])
def test_pictures_of_the_three_kinds_are_taken(shared_hub: LiveHub, name: str) -> None:
    """PNG, JPG, JPEG and WebP are taken, and the answer is like any other (REQ-8, GEN-9)."""
    assert accepted_references(shared_hub, form(file((UPLOADS / name).read_bytes()))) == 1


@pytest.mark.parametrize(
    ("name", "found"),
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
def test_another_file_is_refused(shared_hub: LiveHub, name: str, found: str) -> None:
    """A file whose content is no such picture is refused, whatever it is called (REQ-8, REQ-17)."""
    message = error_message(shared_hub, form(file((UPLOADS / name).read_bytes())))
    assert message.startswith("reference_image is ")
    assert found in message
    assert "expected image/png, image/jpeg, image/webp" in message


@pytest.mark.parametrize("content", [PNG, JPEG, WEBP])
def test_the_content_decides(shared_hub: LiveHub, content: bytes) -> None:
    """A picture is taken though its name and declared type say otherwise (REQ-17)."""
    head = 'Content-Disposition: form-data; name="reference_image"; filename="a.txt"\r\n'
    part = head.encode() + b"Content-Type: text/plain\r\n\r\n" + content
    assert accepted_references(shared_hub, form(part)) == 1


def test_sixteen_references_and_no_more(shared_hub: LiveHub) -> None:
    """16 reference images are taken, 17 are refused (REQ-7)."""
    assert accepted_references(shared_hub, form(*[file()] * 16)) == 16
    assert "17 files are too many; expected at most 16" in error_message(
        shared_hub, form(*[file()] * 17)
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
def test_file_names_come_in_many_spellings(shared_hub: LiveHub, rest: str) -> None:
    """A picture is a file however its name is quoted or encoded (REQ-8)."""
    assert accepted_references(shared_hub, form(file(rest=rest))) == 1


def test_a_browser_that_chose_no_file_sends_none(shared_hub: LiveHub) -> None:
    """An empty part without a file name is no file; an empty file with a name is one (REQ-8)."""
    assert accepted_references(shared_hub, form(file(b"", rest='; filename=""'))) == 0
    assert accepted_references(shared_hub, form(file(b"", rest='; filename=""'), file())) == 1
    assert "reference_image is empty" in error_message(shared_hub, form(file(b"")))


def test_texts_and_files_keep_their_places(shared_hub: LiveHub) -> None:
    """A text where a file belongs is refused, and a file where a text belongs (REQ-6)."""
    for value in ("", "abc", "https://example.com/a.png"):
        message = error_message(shared_hub, form(text("reference_image", value)))
        assert message == "reference_image is a text field; expected a file with a filename"
    assert error_message(shared_hub, form(file(b"2", name="n"))).startswith(
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
def test_part_headers_are_read_as_http_has_them(shared_hub: LiveHub, part: bytes) -> None:
    """The case and blanks of a part's headers do not count, nor do headers that we do not know."""
    assert len(post(shared_hub, form(part)).json()["images"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B",
        form()[:-30],
        form()[:-3],
        form().removesuffix(b"--B--\r\n"),
        form(file())[:-40],
        form(boundary=b"C"),
        form().replace(b"\r\n", b"\n"),
        b'{"model":"gpt-image-2","prompt":"x"}',
        form(b'Content Disposition: form-data; name="n"\r\n\r\n2'),
        form(b'Content-Disposition: attachment; name="n"\r\n\r\n2'),
        form(b"Content-Disposition: form-data\r\n\r\n2"),
        form(b"X-Odd: 1\r\n\r\n2"),
        form(b"\r\n2"),
        form(b'Content-Disposition: form-data; name="n"; x="' + 100_000 * b"a" + b'"\r\n\r\n2'),
        form(b'Content-Disposition: form-data; name="n"\r\n' + 5000 * b"X: 1\r\n" + b"\r\n2"),
        form(*[text("user", "1")] * 101),
        form(text("user", 2_000_000 * "x")),
    ],
)
def test_a_malformed_form_is_refused(shared_hub: LiveHub, body: bytes) -> None:
    """A form that breaks off, or is none, is refused with a reason (REQ-14)."""
    assert "expected" in error_message(shared_hub, body)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'],
)
def test_a_form_has_a_boundary(shared_hub: LiveHub, content_type: str) -> None:
    """A form without a boundary is refused by name (REQ-14)."""
    assert error_message(shared_hub, form(), content_type).startswith(
        "Content-Type: the boundary is missing"
    )


@pytest.mark.parametrize(
    "boundary", [b"B", b"----WebKitFormBoundary7MA4YWxk", b"a'()+_,-./:=?b", 70 * b"b"]
)
def test_a_boundary_may_look_odd(shared_hub: LiveHub, boundary: bytes) -> None:
    """Any boundary that RFC 2046 allows is read, quoted and beside other parameters."""
    content_type = b'Multipart/Form-Data;  charset=utf-8; BOUNDARY="%s"' % boundary
    assert accepted_references(shared_hub, form(file(), boundary=boundary), content_type) == 1


@pytest.mark.parametrize("boundary", [300 * b"b", b"\xe9"])
def test_an_impossible_boundary_is_answered(shared_hub: LiveHub, boundary: bytes) -> None:
    """A boundary that nobody may send is refused or read, and ends nothing (REQ-14)."""
    answer = post(shared_hub, form(boundary=boundary), b"multipart/form-data; boundary=" + boundary)
    assert answer.status_code in (200, 400)


def test_urlencoded_forms_are_refused(shared_hub: LiveHub) -> None:
    """A urlencoded form is none of the two content types (REQ-14)."""
    message = error_message(
        shared_hub, b"model=gpt-image-2&prompt=x", "application/x-www-form-urlencoded"
    )
    assert "expected application/json or multipart/form-data" in message


def test_uploads_exist() -> None:
    """Each file of fixtures/uploads is used by a test of this module."""
    here = Path(__file__).read_text("utf-8")
    assert [f.name for f in UPLOADS.iterdir() if f.name not in here and f.suffix != ".md"] == []
