"""The OpenAPI file as a checked document: an unsupported keyword is rejected with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from mockhub.exceptions import MockhubError
from mockhub.spec.config_file import (
    ConfigSchema,
    Pointer,
    error_at,
    integer,
    load_yaml,
    mapping,
    sequence,
    string,
)
from mockhub.spec.discriminator import check_discriminators
from mockhub.spec.frozen_struct import FrozenStruct


def _any(names: str) -> dict[str, str]:
    """Return keywords whose values may be anything."""
    return dict.fromkeys(names.split(), "")


# The supported keywords of each kind of object, and the kind of each value: `[kind]` is a list,
# `{kind}` a map, and "" anything.
_SUPPORTED_KEYWORDS: dict[str, dict[str, str]] = {
    "document": {
        **_any("openapi info servers security tags"),
        "paths": "{path}",
        "components": "components",
        "x-unrouted": "{unrouted}",
    },
    "unrouted": _any("status code"),
    "path": {
        "parameters": "[parameter]",
        **dict.fromkeys(("get", "post", "put", "patch", "delete"), "operation"),
    },
    "parameter": {
        **_any("name in required description"),
        "schema": "schema",
        "example": "",
        "examples": "{example}",
    },
    "operation": {
        **_any("operationId summary description tags security"),
        "parameters": "[parameter]",
        "requestBody": "body",
        "responses": "{response}",
        "x-timeout-seconds": "",
    },
    "body": {"description": "", "required": "", "content": "{media}"},
    "media": {"schema": "schema", "examples": "{example}", "encoding": "{encoding}"},
    "encoding": _any("contentType"),
    "response": {"description": "", "content": "{media}", "links": "{link}"},
    "link": _any("operationId description parameters"),
    "example": _any("summary description value"),
    "components": {
        "securitySchemes": "{scheme}",
        "schemas": "{schema}",
        "parameters": "{parameter}",
        "responses": "{response}",
        "examples": "{example}",
        "links": "{link}",
    },
    "scheme": {**_any("type scheme description"), "x-key": "key"},
    "key": _any("prefix length"),
    "discriminator": {"propertyName": "", "mapping": "{reference}"},
    "sizes": _any("multiple widest tallest largest tiers auto"),
    "schema": {
        **_any("title description examples default type format enum const pattern"),
        **_any("minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
        **_any("minItems maxItems uniqueItems required minProperties maxProperties"),
        "items": "schema",
        "properties": "{schema}",
        "additionalProperties": "schema",
        **dict.fromkeys(("oneOf", "anyOf", "allOf"), "[schema]"),
        "not": "schema",
        "discriminator": "discriminator",
        "x-max-bytes": "",
        "x-sizes": "sizes",
    },
}
_COMMON_KEYWORDS = _any("$ref x-clauses x-assumed")
_VALUES = {  # the schemas of the values that mockhub computes with
    "$ref": string("a reference such as '#/components/schemas/Size'", pattern="^#/"),
    "propertyName": string("the name of a property"),
    "x-assumed": string("a reason"),
    "x-clauses": sequence("a list of clauses such as [REQ-1]", string("a clause such as REQ-1")),
    "x-timeout-seconds": {
        "description": "a number of seconds above 0, and at most a day",
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 86_400,
    },
    "x-max-bytes": integer("a whole number of bytes from 1", 1),
    "length": integer("a whole number of characters from 1 to 80", 1, 80),
    "multiple": integer("a whole number of pixels from 1 to 9999", 1, 9999),
}
_MAX_VALUES = 100_000  # of a schema whose references are inlined
_STRING_ENUM = {
    "if": {"properties": {"type": {"const": "string"}}, "required": ["type", "enum"]},
    "then": {
        "properties": {"enum": {"items": {"type": "string", "description": "a string; quote it"}}}
    },
}


def _supported_subset() -> ConfigSchema:
    definitions = {kind: _object_schema(names) for kind, names in _SUPPORTED_KEYWORDS.items()}
    definitions["reference"] = string("a schema's name or reference")
    definitions["schema"] |= {"type": ["object", "boolean"], **_STRING_ENUM}
    return ConfigSchema(
        {"$ref": "#/$defs/document", "$defs": definitions},
        unknown_key="is not supported by mockhub here",
    )


def _object_schema(keywords: dict[str, str]) -> dict[str, Any]:
    kinds = keywords | _COMMON_KEYWORDS
    return mapping(
        "a mapping",
        {name: _VALUES.get(name) or _value_schema(kind) for name, kind in kinds.items()},
    )


def _value_schema(kind: str) -> Mapping[str, Any] | bool:
    reference = {"$ref": f"#/$defs/{kind.strip('[]{}')}"}
    if kind.startswith("["):
        return {"description": "a list", "type": "array", "items": reference}
    if kind.startswith("{"):
        return {"description": "a mapping", "type": "object", "additionalProperties": reference}
    return reference if kind else True


_SUBSET = _supported_subset()


class Document(FrozenStruct, frozen=True):
    """A checked OpenAPI file."""

    path: Path
    root: Mapping[str, Any]

    def resolve(self, node: Any) -> Any:
        """Replace a `$ref` by its target, updated with the keywords beside it."""
        seen: list[str] = []
        while isinstance(node, dict) and "$ref" in node:
            reference = node["$ref"]
            if reference in seen:
                raise MockhubError(f"{self.path}: the reference {reference!r} leads to itself")
            seen.append(reference)
            siblings = {name: value for name, value in node.items() if name != "$ref"}
            node = {**self.lookup(reference), **siblings}
        return node

    def lookup(self, reference: str) -> Any:
        """Return the target of a local reference such as ``#/components/schemas/Size``."""
        node: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or name not in node:
                raise MockhubError(f"{self.path}: the reference {reference!r} has no target")
            node = node[name]
        if not isinstance(node, dict):
            raise MockhubError(f"{self.path}: the target of {reference!r} is not a mapping")
        return node

    def inline_references(
        self, node: Any, seen: tuple[str, ...] = (), values: Iterator[int] | None = None
    ) -> Any:
        """Replace every `$ref` below *node* by its target.

        Raises:
            MockhubError: if a schema contains itself, or there are too many *values*.
        """
        values = values or count(1)
        if next(values) > _MAX_VALUES:
            raise MockhubError(f"{self.path}: a schema expands to more than {_MAX_VALUES} values")
        if isinstance(node, list):
            return [self.inline_references(item, seen, values) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(reference := node.get("$ref"), str):
            if reference in seen:
                raise MockhubError(f"{self.path}: the schema {reference!r} contains itself")
            seen = (*seen, reference)
        resolved = self.resolve(node)
        return {
            name: self.inline_references(value, seen, values) for name, value in resolved.items()
        }

    def error(self, pointer: Pointer, message: str) -> MockhubError:
        """Return an error with the file, the line and *pointer*."""
        return error_at(self.path, pointer, message)


def load_document(path: Path) -> Document:
    """Read and check an OpenAPI file.

    Raises:
        MockhubError: if it cannot be read, is not OpenAPI 3.1, or has an unsupported keyword.
    """
    root = load_yaml(path)
    if not isinstance(root, dict) or not str(root.get("openapi", "")).startswith("3.1"):
        raise MockhubError(f"{path}: not an OpenAPI 3.1 document")
    _SUBSET.check(root, path)
    document = Document(path, root)
    check_discriminators(document)
    return document
