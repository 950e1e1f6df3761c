"""The operations of an OpenAPI document, compiled: paths, body schemas, response validators."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import jsonschema_rs

from mockhub.exceptions import MockhubError
from mockhub.spec.document import Document
from mockhub.spec.frozen_struct import FrozenStruct
from mockhub.spec.media_types import KNOWN_MEDIA_TYPES
from mockhub.spec.schema_errors import schema_errors


class OperationId(StrEnum):
    """The operations of the API, by their ids in openapi.yaml, and the download of an image.

    The documentation describes no operation for images, only their URLs.
    """

    LIST_MODELS = "list_models"
    GET_CREDITS = "get_credits"
    CREATE_GENERATION = "create_generation"
    GET_GENERATION = "get_generation"
    GET_IMAGE = "get_image"


Validator = jsonschema_rs.Draft202012Validator  # a compiled JSON Schema

JSON = "application/json"
FORM = "multipart/form-data"

_METHODS = ("get", "post", "put", "patch", "delete")
_PARAMETER_LOCATIONS = ("path", "query")


class BodySchema(FrozenStruct, frozen=True):
    """The schema of a request body in one media type, or of path or query parameters."""

    fields: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    schema: Mapping[str, Any]
    validator: Validator

    @property
    def forbidden(self) -> list[str]:
        """The names of fields that a body must not have, such as a file in JSON."""
        return list(self.schema.get("not", {}).get("required", ()))


class FileConstraints(FrozenStruct, frozen=True):
    """The allowed media types, by content, and the size limit of a file (REQ-8, REQ-9)."""

    media_types: tuple[str, ...]
    max_bytes: int


class Operation(FrozenStruct, frozen=True):
    """An operation with its compiled schemas."""

    id: str
    method: str
    path: str
    requires_auth: bool
    parameters: Mapping[str, BodySchema]  # under "path" and "query"
    bodies: Mapping[str, BodySchema]
    files: Mapping[str, FileConstraints]
    responses: Mapping[int, Validator]
    examples: Mapping[int, Mapping[str, Any]]
    timeout_seconds: float | None

    @property
    def path_pattern(self) -> re.Pattern[str]:
        """A pattern of this operation's paths, where a parameter matches one segment."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))

    def response_mismatch(self, status: int, content: object) -> str | None:
        """Return how a response differs from its schema, or None."""
        validator = self.responses.get(status)
        if validator is None:
            return f"{self.id} returned {status}: an undocumented status"
        if validator.is_valid(content):
            return None
        return f"{self.id} returned {status}: {next(schema_errors(validator, content)).message}"


def compile_operations(document: Document) -> tuple[Operation, ...]:
    """Compile every operation of the document."""
    return tuple(
        _compile_operation(document, path, method, item)
        for path, item in document.root["paths"].items()
        for method in _METHODS
        if method in item
    )


def _compile_operation(
    document: Document, path: str, method: str, item: Mapping[str, Any]
) -> Operation:
    node = item[method]
    content = document.resolve(node.get("requestBody", {})).get("content", {})
    responses = {
        int(status): document.resolve(response) for status, response in node["responses"].items()
    }
    return Operation(
        id=node["operationId"],
        method=method.upper(),
        path=path,
        requires_auth=_requires_auth(node.get("security", document.root.get("security", ()))),
        parameters=_parameter_schemas(
            document, [*item.get("parameters", ()), *node.get("parameters", ())]
        ),
        bodies={
            media: _body_schema(document.inline_references(entry["schema"]))
            for media, entry in content.items()
        },
        files=_file_constraints(document, content.get(FORM, {})),
        responses={
            status: _response_validator(document, response)
            for status, response in responses.items()
        },
        examples={status: _examples(document, response) for status, response in responses.items()},
        timeout_seconds=node.get("x-timeout-seconds"),
    )


def _requires_auth(security: Sequence[Mapping[str, object]]) -> bool:
    """Return whether every alternative names a scheme; an empty one makes the key optional."""
    return bool(security) and all(security)


def _parameter_schemas(document: Document, nodes: list[Any]) -> Mapping[str, BodySchema]:
    """Describe the parameters as two objects, which are validated like bodies."""
    parameters = [document.resolve(node) for node in nodes]
    schemas: dict[str, dict[str, Any]] = {}
    for location in _PARAMETER_LOCATIONS:
        in_location = [parameter for parameter in parameters if parameter["in"] == location]
        schemas[location] = {
            "type": "object",
            "properties": {
                one["name"]: document.inline_references(one["schema"]) for one in in_location
            },
            "required": [one["name"] for one in in_location if one.get("required")],
            "additionalProperties": False,
        }
    return {place: _body_schema(schema) for place, schema in schemas.items()}


def _body_schema(schema: Mapping[str, Any]) -> BodySchema:
    fields = schema["properties"]
    return BodySchema(
        fields=fields,
        defaults={name: field["default"] for name, field in fields.items() if "default" in field},
        schema=schema,
        validator=compile_schema(_without_files(schema)),
    )


def _without_files(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Remove the files, which are validated as they arrive, not as JSON."""
    text_fields = {
        name: field for name, field in schema["properties"].items() if not file_schema(field)
    }
    return {**schema, "properties": text_fields}


def file_schema(field: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of a file if *field* is a file, a list of files, or either."""
    if field.get("format") == "binary":
        return field
    for inner in (field.get("items"), *field.get("oneOf", ()), *field.get("anyOf", ())):
        if isinstance(inner, dict) and (found := file_schema(inner)):
            return found
    return None


def _file_constraints(
    document: Document, media: Mapping[str, Any]
) -> Mapping[str, FileConstraints]:
    if not media:
        return {}
    fields = document.inline_references(media["schema"])["properties"]
    rules = {}
    for name, field in fields.items():
        if found := file_schema(field):
            types = [kind.strip() for kind in media["encoding"][name]["contentType"].split(",")]
            if unknown := sorted(set(types) - KNOWN_MEDIA_TYPES):
                known = ", ".join(sorted(KNOWN_MEDIA_TYPES))
                raise MockhubError(
                    f"encoding of {name}: {unknown[0]!r} is not known; expected {known}"
                )
            rules[name] = FileConstraints(tuple(types), found["x-max-bytes"])
    return rules


def _response_validator(document: Document, response: Mapping[str, Any]) -> Validator:
    """Compile the schema of a JSON response; a response of another type may be anything."""
    media = response.get("content", {}).get(JSON)
    return compile_schema(
        disallow_extra_fields(document.inline_references(media["schema"])) if media else {}
    )


def _examples(document: Document, response: Mapping[str, Any]) -> Mapping[str, Any]:
    examples = response.get("content", {}).get(JSON, {}).get("examples", {})
    return {name: document.resolve(example)["value"] for name, example in examples.items()}


def disallow_extra_fields(schema: Any) -> Any:
    """Set `additionalProperties: false` on every object schema."""
    if isinstance(schema, list):
        return [disallow_extra_fields(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: disallow_extra_fields(value) for name, value in schema.items()}
    if isinstance(inner.get("properties"), dict) and "type" in inner:
        inner.setdefault("additionalProperties", False)
    return inner


def compile_schema(schema: Mapping[str, Any]) -> Validator:
    """Compile *schema* with its formats."""
    return Validator(dict(schema), validate_formats=True)
