"""Parsers of external input, each with the only exception that it may raise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from python_multipart.exceptions import FormParserError

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError, ValidationError
from mockhub.faults.grammar import parse_directives, parse_prefer_header
from mockhub.faults.prompt import parse_prompt
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.spec.operations import FORM, JSON
from mockhub.spec.request_validation import coerce_form_fields, parse_json_object, validate
from mockhub.web.limits import Limits
from mockhub.web.multipart import FormParser
from tests.support.multipart import file_part, form_body, text_part

Target = Callable[[bytes], None]

_MAX_MESSAGE = 4000  # characters


def body(spec: ApiSpec) -> Target:
    """Return a target that parses a body as JSON and as a form."""
    bodies = spec.operations["create_generation"].bodies

    def parse(data: bytes) -> None:
        _raises_only(ValidationError, lambda: validate(parse_json_object(data), bodies[JSON]))
        text = data.decode("utf-8", "replace")
        parts = [(name, text) for name in bodies[FORM].fields]
        pairs = [tuple(line.partition("=")[::2]) for line in text.splitlines()]
        _raises_only(
            ValidationError, lambda: validate(coerce_form_fields(parts, bodies[FORM]), bodies[FORM])
        )
        _raises_only(
            ValidationError, lambda: validate(coerce_form_fields(pairs, bodies[FORM]), bodies[FORM])
        )

    return parse


def form(spec: ApiSpec) -> Target:
    """Return a target that parses a multipart body, whole and byte by byte."""
    operation = spec.operations["create_generation"]

    def read(chunks: Iterable[bytes]) -> object:
        parser = FormParser(b"B", operation, Limits())
        try:
            for chunk in chunks:
                parser.write(chunk)
            parser.finalize()
            return parser.complete, parser.texts(), parser.digests
        except FormParserError:
            return "malformed"
        except ValidationError as error:
            return str(error)

    def parse(data: bytes) -> None:
        assert read([data]) == read(data[n : n + 1] for n in range(len(data)))

    return parse


def openapi(spec: ApiSpec) -> Target:
    """Return a target that loads an openapi.yaml in which a few places were replaced."""
    text = resource_path("openapi.yaml").read_bytes()
    lines = text.splitlines(keepends=True)
    file = Path(tempfile.mkdtemp()) / "fuzzed.yaml"

    def parse(data: bytes) -> None:
        number, _, value = data.partition(b" ")
        line = int.from_bytes(number[:3], "big") % len(lines)
        key, colon, _ = lines[line].partition(b":")
        changed = key + colon + b" " + value + b"\n"
        file.write_bytes(b"".join([*lines[:line], changed, *lines[line + 1 :]]))
        _raises_only(MockhubError, lambda: load_spec(file))

    return parse


def directives(spec: ApiSpec) -> Target:
    """Return a target that parses faults: directives, a prompt and a Prefer header."""

    def parse(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for parser in (parse_directives, parse_prompt, parse_prefer_header):
            _raises_only(MockhubError, lambda parser=parser: [str(item) for item in parser(text)])

    return parse


def scenario(spec: ApiSpec) -> Target:
    """Return a target that builds a hub from a scenario file and audits it."""
    file = Path(tempfile.mkdtemp()) / "fuzzed.yaml"

    def build_and_audit() -> None:
        hub = build_hub(load_scenario.__wrapped__(file), "fuzzed", spec)
        assert hub.audit() == []

    def parse(data: bytes) -> None:
        file.write_bytes(data)
        _raises_only(MockhubError, build_and_audit)

    return parse


def _raises_only(allowed: type[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except allowed as error:
        assert len(str(error)) < _MAX_MESSAGE, str(error)[:200]


TARGETS = {
    "body": body,
    "directives": directives,
    "form": form,
    "scenario": scenario,
    "openapi": openapi,
}


def target(name: str) -> Target:
    """Return a target by its name."""
    return TARGETS[name](load_spec(resource_path("openapi.yaml")))


def seeds(name: str) -> list[bytes]:
    """Return the initial inputs of a target."""
    if name == "scenario":
        return [file.read_bytes() for file in resource_path("fixtures/scenarios").glob("*.yaml")]
    if name == "form":
        parts = [text_part("n", "2"), text_part("_charset_", "utf-8"), file_part(b"x")]
        return [form_body(*parts), b"preamble\r\n" + form_body().replace(b"--B\r", b"--B \t\r")]
    if name == "openapi":
        return [b"\x01\x00 1e400", b"\x01\x40 {$ref: '#/components/schemas/Size'}", b"\x00\x90 *x"]
    if name == "directives":
        return [
            b"[[hang gliding]] [[fial]]",
            b"fail x3 p=0.1 on=get_credits nth=2",
            b"[[deliver=3 duration=800s]]",
            b"code=402",
        ]
    return [
        b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024", "n": 2, "async": true}',
        b"model=gpt-image-2\nprompt=x\nsize=auto\nn=4\nasync=false",
    ]
