"""The operations of the law, compiled once: routes, request bodies, answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jsonschema_rs

from mockhub.spec.document import Document
from mockhub.spec.errors import MockhubError
from mockhub.spec.files import KNOWN

JSON = "application/json"
FORM = "multipart/form-data"

_METHODS = ("get", "post", "put", "patch", "delete")
_PLACES = ("path", "query")


class Validator(Protocol):
    """What this package needs of a compiled JSON Schema."""

    def is_valid(self, instance: Any) -> bool: ...

    def iter_errors(self, instance: Any) -> Iterator[Any]: ...


@dataclass(frozen=True)
class Body:
    """One media type of a request, or its parameters: the fields' schemas, defaults, the whole."""

    fields: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    schema: Mapping[str, Any]
    validator: Validator


@dataclass(frozen=True)
class FileRule:
    """What a file may be (REQ-8, REQ-9): media types by content, and the most bytes of each."""

    media_types: tuple[str, ...]
    max_bytes: int


@dataclass(frozen=True)
class Operation:
    """One operation: where it is, what it takes and what it answers."""

    id: str
    method: str
    path: str
    secured: bool
    parameters: Mapping[str, Body]  # those of the path and those of the query
    bodies: Mapping[str, Body]
    files: Mapping[str, FileRule]
    answers: Mapping[int, Validator]
    examples: Mapping[int, Mapping[str, Any]]
    timeout_seconds: float | None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What a path of this operation looks like; a parameter is one segment."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


@dataclass(frozen=True)
class Routes:
    """From a method and a path to an operation."""

    fixed: Mapping[str, Mapping[str, Operation]]
    patterns: tuple[tuple[re.Pattern[str], Mapping[str, Operation]], ...]

    def find(self, path: str) -> tuple[Mapping[str, Operation], str | None] | None:
        """The operations of *path* by method, and its parameter; None if there is no such path."""
        if methods := self.fixed.get(path):
            return methods, None
        for pattern, methods in self.patterns:
            if match := pattern.fullmatch(path):
                return methods, match[1]
        return None


def read_operations(document: Document) -> tuple[Operation, ...]:
    """Compile every operation of the document."""
    return tuple(
        _operation(document, path, method, item)
        for path, item in document.root["paths"].items()
        for method in _METHODS
        if method in item
    )


def read_routes(operations: tuple[Operation, ...]) -> Routes:
    """Sort the operations by path."""
    fixed: dict[str, dict[str, Operation]] = {}
    patterns: dict[re.Pattern[str], dict[str, Operation]] = {}
    for operation in operations:
        place = (
            patterns.setdefault(operation.pattern, {})
            if "{" in operation.path
            else fixed.setdefault(operation.path, {})
        )
        place[operation.method] = operation
    return Routes(fixed, tuple(patterns.items()))


def _operation(document: Document, path: str, method: str, item: Mapping[str, Any]) -> Operation:
    node = item[method]
    content = document.resolve(node.get("requestBody", {})).get("content", {})
    responses = {
        int(status): document.resolve(response) for status, response in node["responses"].items()
    }
    return Operation(
        id=node["operationId"],
        method=method.upper(),
        path=path,
        secured=bool(node.get("security", document.root.get("security"))),
        parameters=_parameters(
            document, [*item.get("parameters", ()), *node.get("parameters", ())]
        ),
        bodies={media: _body(document.inline(entry["schema"])) for media, entry in content.items()},
        files=_files(document, content.get(FORM, {})),
        answers={status: _answer(document, answer) for status, answer in responses.items()},
        examples={status: _examples(document, answer) for status, answer in responses.items()},
        timeout_seconds=node.get("x-timeout-seconds"),
    )


def _parameters(document: Document, nodes: list[Any]) -> Mapping[str, Body]:
    """The parameters as the fields of two objects, so that the rules for bodies hold for them."""
    found = [document.resolve(node) for node in nodes]
    schemas: dict[str, dict[str, Any]] = {}
    for place in _PLACES:
        here = [parameter for parameter in found if parameter["in"] == place]
        schemas[place] = {
            "type": "object",
            "properties": {one["name"]: document.inline(one["schema"]) for one in here},
            "required": [one["name"] for one in here if one.get("required")],
            "additionalProperties": False,
        }
    return {place: _body(schema) for place, schema in schemas.items()}


def _body(schema: Mapping[str, Any]) -> Body:
    fields = schema["properties"]
    return Body(
        fields=fields,
        defaults={name: field["default"] for name, field in fields.items() if "default" in field},
        schema=schema,
        validator=compile_schema(_without_files(schema)),
    )


def _without_files(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Files are judged by their bytes as they arrive, not as JSON."""
    texts = {name: field for name, field in schema["properties"].items() if not file_schema(field)}
    return {**schema, "properties": texts}


def file_schema(field: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of one file of *field*, be it a file, a list of them, or either; or None."""
    if field.get("format") == "binary":
        return field
    for inner in (field.get("items"), *field.get("oneOf", ()), *field.get("anyOf", ())):
        if isinstance(inner, dict) and (found := file_schema(inner)):
            return found
    return None


def _files(document: Document, media: Mapping[str, Any]) -> Mapping[str, FileRule]:
    if not media:
        return {}
    fields = document.inline(media["schema"])["properties"]
    rules = {}
    for name, field in fields.items():
        if found := file_schema(field):
            types = [kind.strip() for kind in media["encoding"][name]["contentType"].split(",")]
            if odd := sorted(set(types) - KNOWN):
                known = ", ".join(sorted(KNOWN))
                raise MockhubError(f"encoding of {name}: {odd[0]!r} is not known; expected {known}")
            rules[name] = FileRule(tuple(types), found["x-max-bytes"])
    return rules


def _answer(document: Document, response: Mapping[str, Any]) -> Validator:
    """What a JSON answer has to be; one of another type may be anything."""
    media = response.get("content", {}).get(JSON)
    return compile_schema(closed(document.inline(media["schema"])) if media else {})


def _examples(document: Document, response: Mapping[str, Any]) -> Mapping[str, Any]:
    examples = response.get("content", {}).get(JSON, {}).get("examples", {})
    return {name: document.resolve(example)["value"] for name, example in examples.items()}


def closed(schema: Any) -> Any:
    """*schema* with no room for fields that it does not name: we answer neither more nor less."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    if isinstance(inner.get("properties"), dict) and "type" in inner:
        inner.setdefault("additionalProperties", False)
    return inner


def compile_schema(schema: Mapping[str, Any]) -> Validator:
    """A validator of *schema* that checks formats too; a plain `integer` keyword does not."""
    return jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True)
