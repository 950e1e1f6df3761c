"""Load YAML files strictly, and report errors as ``file:line: #/pointer: message``.

A scalar that YAML 1.1 and YAML 1.2 read differently is rejected: an unquoted 16:9 is the number 969
in the one and a string in the other. An unquoted time is a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from mockhub._numbers import MAX_INTEGER
from mockhub._text import format_value, suggest
from mockhub.exceptions import MockhubError

Pointer = tuple[str | int, ...]
ConfigError = tuple[Pointer, str]

_TAG = "tag:yaml.org,2002:"
_JSON_TAGS = {_TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null")}
_AMBIGUOUS_SCALARS = {  # by the tag that YAML 1.1 gives them
    _TAG + "int": re.compile(r"[-+]?0[0-7_]+|.*[:_].*"),
    _TAG + "float": re.compile(r".*[:_].*"),
    _TAG + "bool": re.compile(r"yes|no|on|off", re.IGNORECASE),
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TAG + "timestamp"]
    for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
}
_MAX_LISTED_KEYS = 12
_MAX_VALUES = 1_000_000  # of a file, with those that its aliases repeat


def load_yaml(path: Path) -> Any:
    """Read a YAML file with unambiguous scalars and unique string keys.

    Raises:
        MockhubError: if it cannot be read, with the place.
    """
    raw = b""
    try:
        raw = path.read_bytes()
        loader = _LOADER(raw)
        loader.yaml_implicit_resolvers = _RESOLVERS
        node = loader.get_single_node()
        if node is None:
            return None
        for culprit, pointer, message in _NodeChecker(loader).errors(node, ()):
            line = culprit.start_mark.line + 1
            raise MockhubError(f"{path}:{line}: {format_pointer(pointer)}: {message}")
        if _expanded_size(node, {}) > _MAX_VALUES:
            raise MockhubError(f"{path}: its aliases expand to more than {_MAX_VALUES} values")
        return loader.construct_document(node)
    except OSError as error:
        raise MockhubError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise MockhubError(f"{path}: nested too deeply") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line, problem = _describe_yaml_error(error, raw)
        raise MockhubError(f"{path}:{line}: not YAML: {problem}") from None


def _describe_yaml_error(error: Exception, raw: bytes) -> tuple[int, str]:
    """Return the line and the problem; an end that is missing is missed in the last line."""
    last_line = len(raw.splitlines()) or 1
    if isinstance(error, yaml.MarkedYAMLError):
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return min(line, last_line), " ".join(filter(None, (error.context, error.problem)))
    offset = getattr(error, "position", getattr(error, "start", 0))  # of a byte that is no text
    return raw[:offset].count(b"\n") + 1, str(error).partition(' in "<')[0]


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Count the nodes below *node*, those of an alias each time that it is used."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in sizes:
        is_mapping = isinstance(node, yaml.MappingNode)
        children = (value for _, value in node.value) if is_mapping else node.value
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes) for child in children)
    return sizes[id(node)]


class _NodeChecker:
    """Find what is not plain JSON below a node; the target of aliases is checked once."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._open: set[int] = set()
        self._done: set[int] = set()

    def errors(self, node: yaml.Node, pointer: Pointer) -> Iterator[tuple[yaml.Node, Pointer, str]]:
        if id(node) in self._open:
            yield node, pointer, "it contains itself"
        elif node.tag not in _JSON_TAGS:
            yield node, pointer, f"{node.tag.replace(_TAG, '!!')} is not a JSON type"
        elif id(node) not in self._done:
            self._open.add(id(node))
            yield from self._content_errors(node, pointer)
            self._open.remove(id(node))
            self._done.add(id(node))

    def _content_errors(
        self, node: yaml.Node, pointer: Pointer
    ) -> Iterator[tuple[yaml.Node, Pointer, str]]:
        if isinstance(node, yaml.MappingNode):
            yield from self._mapping_errors(node, pointer)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from self.errors(item, (*pointer, index))
        elif isinstance(node, yaml.ScalarNode) and (message := self._scalar_error(node)):
            yield node, pointer, message

    def _scalar_error(self, node: yaml.ScalarNode) -> str | None:
        try:
            value = self._loader.construct_object(node)
        except (ValueError, LookupError):  # such as !!int x, or more digits than Python reads
            shown, tag = format_value(node.value), node.tag.replace(_TAG, "!!")
            return f"{shown} is not a valid {tag}; expected a value that JSON can hold"
        if type(value) is int and abs(value) > MAX_INTEGER:
            return (
                f"{format_value(value)} is too large; expected a whole number from "
                f"{-MAX_INTEGER} to {MAX_INTEGER}"
            )
        if isinstance(value, float) and not isfinite(value):
            return f"{node.value} is not a JSON number"
        ambiguous = _AMBIGUOUS_SCALARS.get(node.tag)
        if ambiguous and not node.style and ambiguous.fullmatch(node.value):
            shown = format_value(value)
            return f"YAML 1.1 reads {node.value} as {shown}; quote it, or write {shown}"
        return None

    def _mapping_errors(
        self, node: yaml.MappingNode, pointer: Pointer
    ) -> Iterator[tuple[yaml.Node, Pointer, str]]:
        names: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else f"({key.id})"
            place = (*pointer, name)
            if key.tag not in (_TAG + "str", _TAG + "merge"):
                yield key, place, f"the key {name} is not a string; quote it"
            elif name in names:
                yield key, place, f"the key {name!r} occurs twice; expected once"
            names.add(name)
            yield from self.errors(value, place)


def format_pointer(pointer: Pointer) -> str:
    """Return *pointer* as a URI fragment such as ``#/paths/~1api~1v1~1credits``."""
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in pointer)


def error_at(source: Path, pointer: Pointer, message: str) -> MockhubError:
    """Return an error that names the file, the line and the place of *pointer* in it.

    Without a line if *source* is not a file.
    """
    line = f":{_line_number(source, pointer)}" if source.is_file() else ""
    return MockhubError(f"{source}{line}: {format_pointer(pointer)}: {message}")


def compose_yaml(path: Path) -> yaml.Node | None:
    """Return the nodes of a YAML file, which know their lines."""
    node: yaml.Node | None = yaml.compose(path.read_bytes(), _LOADER)
    return node


def _line_number(path: Path, pointer: Pointer) -> int:
    node, line = compose_yaml(path), 1
    for part in pointer:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                break
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


class ConfigSchema:
    """A JSON Schema of a configuration file, which explains its errors.

    A subschema's `description` completes the sentence "expected ...". Its `parser` names one of
    *parsers*, a function that raises MockhubError for an invalid value. The value of a
    `writeOnly` subschema is secret and never shown.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        parsers: Mapping[str, Callable[[Any], object]] | None = None,
        *,
        unknown_key: str = "is not known here",
    ) -> None:
        self.schema = dict(schema)
        self._parsers = {"integer": _reject_fraction, **(parsers or {})}
        self._unknown_key = unknown_key

    def load(self, path: Path) -> Any:
        """Read a YAML file that has this schema; raises MockhubError."""
        content = load_yaml(path)
        self.check(content, path)
        return content

    def check(self, content: object, source: Path) -> None:
        """Raise MockhubError for the first error of *content*, with its place in *source*."""
        for pointer, message in self.errors(content):
            raise error_at(source, pointer, message)

    def errors(self, content: object) -> Iterator[ConfigError]:
        """Describe what is wrong: the structure first, then the values."""
        for validator in self._validators:
            try:
                errors = list(validator.iter_errors(content))
            except ValueError as error:  # a Python object, or one nested too deeply
                yield (), f"not JSON: {error}"
                return
            yield from map(self._describe, errors)
            if errors:
                return

    @cached_property
    def _validators(self) -> tuple[jsonschema_rs.Draft202012Validator, ...]:
        keywords = {"parser": _parser_keyword(self._parsers)}
        return (
            jsonschema_rs.Draft202012Validator(self.schema),
            jsonschema_rs.Draft202012Validator(self.schema, keywords=keywords),
        )

    def _describe(self, error: jsonschema_rs.ValidationError) -> ConfigError:
        pointer, keyword = tuple(error.instance_path), error.schema_path[-1]
        schema: Any = self.schema
        instance: Any = error.instance
        for step in error.schema_path[:-1]:
            schema = schema[step]
        if keyword == "parser":
            return pointer, error.message
        if keyword == "additionalProperties":
            known = schema["properties"]
            unknown = next(name for name in instance if name not in known)
            hint = suggest(unknown, known)
            if not hint and len(known) <= _MAX_LISTED_KEYS:
                hint = f"; known are {', '.join(known)}"
            return (*pointer, unknown), f"{unknown!r} {self._unknown_key}{hint}"
        if keyword == "required":
            missing = next(name for name in schema["required"] if name not in instance)
            return pointer, f"{missing!r} is missing; expected {schema['description']}"
        if error.schema_path[-2:-1] == ["propertyNames"]:
            wrong = next(name for name in instance if not _is_valid(name, schema))
            return (*pointer, wrong), _describe_value(wrong, schema)
        return pointer, _describe_value(instance, schema)


def _is_valid(value: object, schema: Mapping[str, Any]) -> bool:
    return jsonschema_rs.Draft202012Validator(dict(schema)).is_valid(value)


def _describe_value(value: object, schema: Mapping[str, Any]) -> str:
    shown = "the value" if schema.get("writeOnly") else format_value(value)
    if "enum" not in schema:
        return f"{shown} is not valid; expected {schema['description']}"
    hint = suggest(value, schema["enum"]) if isinstance(value, str) else ""
    return f"{shown} is not valid; expected one of {', '.join(schema['enum'])}{hint}"


def _parser_keyword(parsers: Mapping[str, Callable[[Any], object]]) -> type:
    class ParserKeyword:
        def __init__(self, schema: object, name: str, schema_path: list[str | int]) -> None:
            self._parse = parsers[name]

        def validate(self, instance: object) -> None:
            if instance is not None:
                self._parse(instance)

    return ParserKeyword


def _reject_fraction(value: object) -> None:
    """Raise MockhubError for 1.0, which JSON Schema takes for an integer."""
    if isinstance(value, float):
        raise MockhubError(f"{value} is not valid; expected it without a fraction")


def mapping(
    description: str, properties: Mapping[str, Any], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the schema of a mapping with these keys and no others."""
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def sequence(description: str, items: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"description": description, "type": "array", "items": items}


def string(description: str, **keywords: Any) -> dict[str, Any]:
    """Return the schema of a string that is not empty."""
    return {"description": description, "type": "string", "minLength": 1, **keywords}


def integer(description: str, minimum: int, maximum: int = MAX_INTEGER) -> dict[str, Any]:
    """Return the schema of a whole number."""
    bounds = {"minimum": minimum, "maximum": maximum}
    return {"description": description, "type": "integer", "parser": "integer", **bounds}
