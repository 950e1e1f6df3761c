"""Readers of text from outside, each with the only exception that it may raise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from mockhub.resources import path
from mockhub.spec.coerce import Invalid, read_json, read_texts, validate
from mockhub.spec.errors import MockhubError
from mockhub.spec.law import Law, load_law
from mockhub.spec.operations import FORM, JSON
from mockhub.world.faults import in_prefer, in_prompt, parse
from mockhub.world.scenarios import build, load

Target = Callable[[bytes], None]

_LONGEST = 4000  # characters of a message, whatever it is about


def coerce(law: Law) -> Target:
    """A body, as JSON and as a form: refused by Invalid, or what the law takes."""
    bodies = law.operations["create_generation"].bodies

    def read(data: bytes) -> None:
        _only(Invalid, lambda: validate(read_json(data), bodies[JSON]))
        text = data.decode("utf-8", "replace")
        parts = [(name, text) for name in bodies[FORM].fields]
        pairs = [tuple(line.partition("=")[::2]) for line in text.splitlines()]
        _only(Invalid, lambda: validate(read_texts(parts, bodies[FORM]), bodies[FORM]))
        _only(Invalid, lambda: validate(read_texts(pairs, bodies[FORM]), bodies[FORM]))

    return read


def directives(law: Law) -> Target:
    """The one grammar of misbehaviour, at three of its doors."""

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for reader in (parse, in_prompt, in_prefer):
            _only(MockhubError, lambda reader=reader: [str(one) for one in reader(text)])

    return read


def scenario(law: Law) -> Target:
    """A scenario file: refused with its place, or a world whose books agree."""
    file = Path(tempfile.mkdtemp()) / "fuzzed.yaml"

    def made() -> None:
        hub = build(load.__wrapped__(file), "fuzzed", law)
        assert [] == hub.audit()

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
    return TARGETS[name](load_law(path("openapi.yaml")))


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    if name == "scenario":
        return [file.read_bytes() for file in path("fixtures/scenarios").glob("*.yaml")]
    if name == "directives":
        return [b"fail x3 p=0.1 on=get_credits nth=2", b"[[deliver=3 take=800s]]", b"code=402"]
    return [
        b'{"model": "gpt-image-2", "prompt": "x", "size": "1024x1024", "n": 2, "async": true}',
        b"model=gpt-image-2\nprompt=x\nsize=auto\nn=4\nasync=false",
    ]
