"""Parsers of external input, each with the only exception that it may raise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError, ValidationError
from mockhub.faults.grammar import parse_directives, parse_prefer_header, parse_prompt
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.spec.api_spec import ApiSpec, load_spec
from mockhub.spec.operations import FORM, JSON
from mockhub.spec.request_validation import coerce_form_fields, parse_json_object, validate

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


TARGETS = {"body": body, "directives": directives, "scenario": scenario}


def target(name: str) -> Target:
    """Return a target by its name."""
    return TARGETS[name](load_spec(resource_path("openapi.yaml")))


def seeds(name: str) -> list[bytes]:
    """Return the initial inputs of a target."""
    if name == "scenario":
        return [file.read_bytes() for file in resource_path("fixtures/scenarios").glob("*.yaml")]
    if name == "directives":
        return [b"fail x3 p=0.1 on=get_credits nth=2", b"[[deliver=3 duration=800s]]", b"code=402"]
    return [
        b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024", "n": 2, "async": true}',
        b"model=gpt-image-2\nprompt=x\nsize=auto\nn=4\nasync=false",
    ]
