"""YAML files are read strictly, and their errors name file, line and place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockhub._timestamps import parse_timestamp
from mockhub.exceptions import MockhubError
from mockhub.spec.config_file import (
    ConfigSchema,
    error_at,
    format_pointer,
    integer,
    load_yaml,
    mapping,
    sequence,
    string,
)

SCHEMA = ConfigSchema(
    mapping(
        "a mapping with a name",
        {
            "name": string("a name"),
            "secret": string("a password", writeOnly=True),
            "color": {"enum": ["red", "green"]},
            "sizes": sequence("a list of sizes", integer("a size from 1 to 4", 1, 4)),
            "since": string("a time", parser="time"),
        },
        required=("name",),
    ),
    {"time": parse_timestamp},
)


def aliases(content: str, count: int) -> str:
    """Return YAML in which each value contains the one before twice."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {content.format(f'*a{n - 1}')}" for n in range(1, count + 1)]
    return "\n".join(lines)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.yaml"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1:30", "own.yaml:1: #/a: YAML 1.1 reads 1:30 as 90; quote it, or write 90"),
        ("a:\n- 16:9", "own.yaml:2: #/a/0: YAML 1.1 reads 16:9 as 969"),
        ("a: 010", "YAML 1.1 reads 010 as 8"),
        ("a: 1_000", "YAML 1.1 reads 1_000 as 1000"),
        ("a: 1:30.5", "YAML 1.1 reads 1:30.5 as 90.5"),
        ("a: No", "YAML 1.1 reads No as false; quote it, or write false"),
        ("a: on", "YAML 1.1 reads on as true"),
        ("no: 1", "own.yaml:1: #/no: the key no is not a string; quote it"),
        ("a:\n  200: x", "own.yaml:2: #/a/200: the key 200 is not a string; quote it"),
        ("? [a, b]\n: 1", "the key (sequence) is not a string"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "own.yaml:4: #/b/c: the key 'c' occurs twice"),
        ("a: &x [1, *x]", "#/a/1: it contains itself"),
        ("a: !!binary aGVsbG8=", "#/a: !!binary is not a JSON type"),
        ("a: !!set {b}", "!!set is not a JSON type"),
        ("a: !!timestamp 2026-13-45", "#/a: !!timestamp is not a JSON type"),
        ("a: !!int x", '#/a: "x" is not a valid !!int'),
        ("a: !!bool x", '#/a: "x" is not a valid !!bool'),
        ("a: !!float ''", '#/a: "" is not a valid !!float'),
        ("a: 1" + 5000 * "0", "is not a valid !!int"),
        ("a: 0x" + 5000 * "f", "#/a: a number of more than 200 digits is too large"),
        ("a: 9007199254740992", "#/a: 9007199254740992 is too large; expected a whole number from"),
        ("a: -.inf", "#/a: -.inf is not a JSON number"),
        ("a: 1.0e+400", "#/a: 1.0e+400 is not a JSON number"),
        (aliases("[{0}, {0}]", 30), "own.yaml: its aliases expand to more than 1000000 values"),
        (aliases("{{<<: [{0}, {0}]}}", 30), "aliases expand to more than 1000000 values"),
        ("a: " + 5000 * "[" + 5000 * "]", "own.yaml: nested too deeply"),
        (
            "a: 1\nb: [",
            "own.yaml:2: not YAML: while parsing a flow node did not find expected node content",
        ),
        ("a: 1\nb: {c: @d}\n\n", "own.yaml:2: not YAML: while scanning for the next token found"),
        ("a: 1\n---\na: 2", "own.yaml:2: not YAML: expected a single document in the stream but"),
        ("a: 1\nb: *c", "own.yaml:2: not YAML: found undefined alias"),
        ("a: 1\nb: \udcff", "own.yaml:2: not YAML: unacceptable character #x00ff: invalid leading"),
    ],
)
def test_ambiguous_yaml_is_rejected(file: Path, content: str, expected: str) -> None:
    """What YAML 1.1, YAML 1.2 and JSON read differently is rejected with its place."""
    file.write_text(content, "utf-8", errors="surrogateescape")
    with pytest.raises(MockhubError) as caught:
        load_yaml(file)
    assert expected in str(caught.value)
    assert "<byte string>" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", None),
        ("at: 2026-04-30T08:00:00Z\non day: 2026-04-30", ("2026-04-30T08:00:00Z", "2026-04-30")),
        ("- '16:9'\n- \"no\"\n- 1K", ["16:9", "no", "1K"]),
        ("[true, False, null, 0, -7, 1.5]", [True, False, None, 0, -7, 1.5]),
        ("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_plain_yaml_is_read(file: Path, content: str, expected: object) -> None:
    """Times are texts; quoted texts, numbers, aliases and merge keys are what they are."""
    file.write_text(content, "utf-8")
    actual = load_yaml(file)
    if isinstance(expected, tuple):
        actual = tuple(actual.values())
    if isinstance(expected, dict):
        assert actual.pop("d") == {"b": 1, "e": 2}
    assert actual == expected


def test_missing_file_is_reported(file: Path) -> None:
    with pytest.raises(MockhubError, match=r"own\.yaml: cannot be read: No such file"):
        load_yaml(file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "own.yaml:1: #/: null is not valid; expected a mapping with a name"),
        ("color: red", "#/: 'name' is missing; expected a mapping with a name"),
        ("name: x\ncolour: red", ":2: #/colour: 'colour' is not known here; did you mean 'color'?"),
        ("name: x\nfoo: 1", "known are name, secret, color, sizes, since"),
        ("name: x\ncolor: gren", '"gren" is not valid; expected one of red, green; did you mean'),
        ("name: x\nsizes:\n- 1\n- 5", ":4: #/sizes/1: 5 is not valid; expected a size from 1 to 4"),
        ("name: x\nsizes: [.nan]", "#/sizes/0: .nan is not a JSON number"),
        ("name: x\nsizes: [1.0]", "#/sizes/0: 1.0 is not valid; expected it without a fraction"),
        ("name: x\nsince: today", ":2: #/since: 'today' is not a time"),
        ("name: 5\nsince: today", "#/name: 5 is not valid; expected a name"),
        ("name: x\nsecret: 12345", "#/secret: the value is not valid; expected a password"),
    ],
)
def test_schema_errors_name_place_value_and_what_is_allowed(
    file: Path, content: str, expected: str
) -> None:
    file.write_text(content, "utf-8")
    with pytest.raises(MockhubError) as caught:
        SCHEMA.load(file)
    assert expected in str(caught.value)


def test_errors_outside_of_files_have_no_line(tmp_path: Path) -> None:
    assert str(error_at(Path("request"), ("a", 0), "wrong")) == "request: #/a/0: wrong"


def test_pointers_are_escaped() -> None:
    assert format_pointer(("paths", "/api/~v1", 0)) == "#/paths/~1api~1~0v1/0"
