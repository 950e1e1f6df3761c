"""read_body: chunks of any length, incomplete, damaged, idle and too long bodies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub._resources import resource_path
from mockhub.exceptions import ValidationError
from mockhub.web.asgi import AsgiBodySource, Message, Receive
from mockhub.web.limits import Limits
from mockhub.web.request_body import ClientDisconnected, ParsedBody, read_body
from tests.support.live_server import PNG, LiveHub, read_spec
from tests.support.multipart import FORM, file_part, form_body, text_part

CREATE = read_spec(resource_path("openapi.yaml")).operations["create_generation"]
FORM_BODY = form_body(
    text_part("n", "2"),
    file_part(),
    text_part("user", "x" * 50),
    file_part(PNG + b"\r\n--B\r\r\n-"),
)

CUTS = st.lists(st.integers(0, len(FORM_BODY)), max_size=30).map(sorted)


def read(chunks: list[bytes], content_type: str = FORM, limits: Limits | None = None) -> ParsedBody:
    """Read a body that arrives in these chunks; the client then disconnects."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    messages_left = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages_left)

    parsed_body = ParsedBody()
    headers = {b"content-type": content_type.encode()}
    asyncio.run(
        read_body(parsed_body, AsgiBodySource(receive), headers, CREATE, limits or Limits())
    )
    return parsed_body


@given(CUTS)
def test_form_is_the_same_in_any_chunks(cuts: list[int]) -> None:
    """The chunks in which a form arrives do not change what is read."""
    parsed_body = read([FORM_BODY])
    chunks = [FORM_BODY[start:end] for start, end in pairwise([0, *cuts, len(FORM_BODY)])]
    assert read(chunks) == parsed_body
    assert (parsed_body.values["n"], len(parsed_body.references)) == (2, 2)


@given(st.integers(0, len(FORM_BODY) - 3))
def test_incomplete_form_is_rejected(length: int) -> None:
    """Every proper prefix of a form is rejected (REQ-14)."""
    with pytest.raises(ValidationError):
        read([FORM_BODY[:length]])


@given(
    st.lists(
        st.tuples(st.integers(0, len(FORM_BODY) - 1), st.integers(0, 9), st.binary(max_size=4)),
        max_size=4,
    )
)
def test_damaged_form_is_read_or_rejected(changes: list[tuple[int, int, bytes]]) -> None:
    """A form with random changes is read or rejected, and never crashes (REQ-14)."""
    damaged = FORM_BODY
    for at, cut, replacement in changes:
        damaged = damaged[:at] + replacement + damaged[at + cut :]
    for chunks in ([damaged], [damaged[i : i + 7] for i in range(0, len(damaged), 7)] or [b""]):
        try:
            read(chunks)
        except ValidationError as error:
            assert len(str(error)) < 600


@given(st.binary(max_size=200))
def test_random_bytes_are_not_a_form(raw: bytes) -> None:
    """Random bytes with the content type of a form are rejected (REQ-14)."""
    with pytest.raises(ValidationError):
        read([raw])


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=5))
def test_json_is_the_same_in_any_chunks(chunks: list[bytes]) -> None:
    """The chunks in which JSON arrives do not change what is read."""

    def outcome(parts: list[bytes]) -> object:
        try:
            return read(parts, "application/json").values
        except ValidationError as error:
            return str(error)

    assert outcome([b"".join(chunks)]) == outcome(chunks)
    body = b'{"model":"gpt-image-2","prompt":"\xc3\xa9"}'
    assert outcome([body]) == outcome([body[:33], b"", body[33:34], body[34:]])


@pytest.mark.parametrize("content_type", [FORM, "application/json"])
def test_disconnect_within_a_body_is_not_a_validation_error(content_type: str) -> None:
    """A disconnect within a body raises ClientDisconnected."""

    async def receive() -> Message:
        return next(messages_left)

    messages_left = iter(
        [
            {"type": "http.request", "body": FORM_BODY[:50], "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    headers = {b"content-type": content_type.encode()}
    with pytest.raises(ClientDisconnected):
        asyncio.run(read_body(ParsedBody(), AsgiBodySource(receive), headers, CREATE, Limits()))


@pytest.mark.parametrize(
    ("content_type", "body"), [("application/json", b'{"n": 2}'), (FORM, FORM_BODY)]
)
def test_data_that_has_arrived_is_not_awaited(content_type: str, body: bytes) -> None:
    """`receive` is called only for data that has not arrived yet."""
    received: list[Message] = []
    arrived: list[Message | None] = [
        {"type": "http.request", "body": body[:4], "more_body": True},
        None,
        {"type": "http.request", "body": body[8:], "more_body": False},
    ]
    messages_left = iter(arrived)

    async def receive() -> Message:
        received.append({"type": "http.request", "body": body[4:8], "more_body": True})
        return received[-1]

    parsed_body = ParsedBody()
    headers = {b"content-type": content_type.encode()}
    source = AsgiBodySource(receive)
    source.receive_nowait = lambda: next(messages_left)  # type: ignore[method-assign]
    asyncio.run(read_body(parsed_body, source, headers, CREATE, Limits()))
    assert (len(received), parsed_body.stored_body.length) == (1, len(body))
    assert parsed_body.values["n"] == 2


def test_body_that_has_arrived_is_not_received() -> None:
    """A JSON body that has arrived completely is read without `receive`."""
    body = b'{"n": 2}'

    class ArrivedBody(AsgiBodySource):
        def body_nowait(self) -> bytes:
            return body

    async def receive() -> Message:
        raise AssertionError("receive was called")

    parsed_body, headers = ParsedBody(), {b"content-type": b"application/json"}
    asyncio.run(read_body(parsed_body, ArrivedBody(receive), headers, CREATE, Limits()))
    assert (parsed_body.values["n"], parsed_body.stored_body.length) == (2, len(body))


@pytest.mark.parametrize(
    ("limits", "chunks", "content_type", "expected"),
    [
        (
            Limits(max_json_bytes=10),
            [b'{"a":', b'"bcdefg"}'],
            "application/json",
            "at most 10 bytes",
        ),
        (
            Limits(max_text_field_bytes=10),
            [form_body(text_part("user", 11 * "x"))],
            FORM,
            "at most 10 bytes of text",
        ),
        (
            Limits(max_form_parts=3),
            [form_body(text_part("a", "1"), text_part("b", "2"))],
            FORM,
            "at most 3",
        ),
    ],
)
def test_limits_are_enforced(
    limits: Limits, chunks: list[bytes], content_type: str, expected: str
) -> None:
    """A body over a limit is rejected, with the limit."""
    with pytest.raises(ValidationError) as caught:
        read(chunks, content_type, limits)
    assert expected in str(caught.value)


def test_idle_body_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body whose next bytes do not arrive in time is rejected, with that time."""

    def stalled_receive() -> Receive:
        first = [{"type": "http.request", "body": FORM_BODY[:50], "more_body": True}]

        async def receive() -> Message:
            if first:
                return first.pop()
            await asyncio.Event().wait()
            raise AssertionError

        return receive

    headers = {b"content-type": FORM.encode()}
    source = AsgiBodySource(stalled_receive())
    parsed_body = read_body(ParsedBody(), source, headers, CREATE, Limits(idle_timeout=0.01))
    with pytest.raises(ValidationError, match="expected its next bytes within 0.01 s"):
        asyncio.run(parsed_body)


def test_parser_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The response says what is wrong with a form; nothing is logged."""
    with pytest.raises(ValidationError):
        read([FORM_BODY.replace(b"\r\n", b"\r\n\0", 1)])
    assert caplog.records == []


def test_import_changes_no_logger_of_another_library() -> None:
    program = (
        "import logging, mockhub.web.app\n"
        "logger = logging.getLogger('python_multipart')\n"
        "print(logger.level, logger.propagate, logger.disabled, logger.filters, logger.handlers)\n"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert output.stdout.decode().strip() == "0 True False [] []"


def test_missing_content_type_is_one_sentence(shared_hub: LiveHub) -> None:
    """Without the colon of a value."""
    response = shared_hub.generate(content=b"{}")
    message = response.json()["error"]["message"]
    assert message == ("Content-Type is missing; expected application/json or multipart/form-data")
