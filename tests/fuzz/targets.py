"""Readers of text from outside, each with the only exception that it may raise."""

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

_LONGEST = 4000  # characters of a message, whatever it is about


def coerce(law: ApiSpec) -> Target:
    """A body, as JSON and as a form: refused by Invalid, or what the law takes."""
    bodies = law.operations["create_generation"].bodies

    def read(data: bytes) -> None:
        _only(ValidationError, lambda: validate(parse_json_object(data), bodies[JSON]))
        text = data.decode("utf-8", "replace")
        parts = [(name, text) for name in bodies[FORM].fields]
        pairs = [tuple(line.partition("=")[::2]) for line in text.splitlines()]
        _only(
            ValidationError, lambda: validate(coerce_form_fields(parts, bodies[FORM]), bodies[FORM])
        )
        _only(
            ValidationError, lambda: validate(coerce_form_fields(pairs, bodies[FORM]), bodies[FORM])
        )

    return read


def directives(law: ApiSpec) -> Target:
    """The one grammar of misbehaviour, at three of its doors."""

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for reader in (parse_directives, parse_prompt, parse_prefer_header):
            _only(MockhubError, lambda reader=reader: [str(one) for one in reader(text)])

    return read


def scenario(law: ApiSpec) -> Target:
    """A scenario file: refused with its place, or a world whose books agree."""
    file = Path(tempfile.mkdtemp()) / "fuzzed.yaml"

    def made() -> None:
        hub = build_hub(load_scenario.__wrapped__(file), "fuzzed", law)
        assert hub.audit() == []

    def read(data: bytes) -> None:
        file.write_bytes(data)
        _only(MockhubError, made)

    return read


def _only(allowed: type[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except allowed as error:
        assert len(str(error)) < _LONGEST, str(error)[:200]


TARGETS = {"coerce": coerce, "directives": directives, "scenario": scenario}


def target(name: str) -> Target:
    """A target by its name, with the law read."""
    return TARGETS[name](load_spec(resource_path("openapi.yaml")))


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    if name == "scenario":
        return [file.read_bytes() for file in resource_path("fixtures/scenarios").glob("*.yaml")]
    if name == "directives":
        return [b"fail x3 p=0.1 on=get_credits nth=2", b"[[deliver=3 duration=800s]]", b"code=402"]
    return [
        b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024", "n": 2, "async": true}',
        b"model=gpt-image-2\nprompt=x\nsize=auto\nn=4\nasync=false",
    ]
