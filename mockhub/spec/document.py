"""The OpenAPI file as a checked document: an unsupported keyword is rejected with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockhub.exceptions import MockhubError
from mockhub.spec.config_file import ConfigSchema, Pointer, error_at, load_yaml, mapping

# The supported keywords of each kind of object, and the kind of each value: `[kind]` is a list,
# `{kind}` a map, and "" anything.
_SUPPORTED_KEYWORDS: dict[str, dict[str, str]] = {
    "document": {
        "openapi": "",
        "info": "",
        "servers": "",
        "security": "",
        "tags": "",
        "paths": "{path}",
        "components": "components",
        "x-unrouted": "{unrouted}",
    },
    "unrouted": {"status": "", "code": ""},
    "path": {
        "parameters": "[parameter]",
        "get": "operation",
        "post": "operation",
        "put": "operation",
        "patch": "operation",
        "delete": "operation",
    },
    "parameter": {
        "name": "",
        "in": "",
        "required": "",
        "description": "",
        "schema": "schema",
        "example": "",
    },
    "operation": {
        "operationId": "",
        "summary": "",
        "description": "",
        "tags": "",
        "security": "",
        "parameters": "[parameter]",
        "requestBody": "body",
        "responses": "{response}",
        "x-timeout-seconds": "",
    },
    "body": {"description": "", "required": "", "content": "{media}"},
    "media": {"schema": "schema", "examples": "{example}", "encoding": "{encoding}"},
    "encoding": {"contentType": ""},
    "response": {"description": "", "content": "{media}", "links": "{link}"},
    "link": {"operationId": "", "description": "", "parameters": ""},
    "example": {"summary": "", "description": "", "value": ""},
    "components": {
        "securitySchemes": "{scheme}",
        "schemas": "{schema}",
        "parameters": "{parameter}",
        "responses": "{response}",
        "examples": "{example}",
        "links": "{link}",
    },
    "scheme": {"type": "", "scheme": "", "description": "", "x-key": "key"},
    "key": {"prefix": "", "length": ""},
    "sizes": {"multiple": "", "widest": "", "tallest": "", "largest": "", "tiers": "", "auto": ""},
    "schema": {
        "title": "",
        "description": "",
        "examples": "",
        "default": "",
        "type": "",
        "format": "",
        "enum": "",
        "const": "",
        "pattern": "",
        "minLength": "",
        "maxLength": "",
        "minimum": "",
        "maximum": "",
        "exclusiveMinimum": "",
        "exclusiveMaximum": "",
        "multipleOf": "",
        "minItems": "",
        "maxItems": "",
        "uniqueItems": "",
        "required": "",
        "minProperties": "",
        "maxProperties": "",
        "items": "schema",
        "properties": "{schema}",
        "additionalProperties": "schema",
        "oneOf": "[schema]",
        "anyOf": "[schema]",
        "allOf": "[schema]",
        "not": "schema",
        "x-max-bytes": "",
        "x-sizes": "sizes",
    },
}
_COMMON_KEYWORDS = dict.fromkeys(("$ref", "x-clauses", "x-assumed"), "")
_STRING_ENUM = {
    "if": {"properties": {"type": {"const": "string"}}, "required": ["type", "enum"]},
    "then": {
        "properties": {"enum": {"items": {"type": "string", "description": "a string; quote it"}}}
    },
}


def _supported_subset() -> ConfigSchema:
    definitions = {kind: _object_schema(names) for kind, names in _SUPPORTED_KEYWORDS.items()}
    definitions["schema"] |= {"type": ["object", "boolean"], **_STRING_ENUM}
    return ConfigSchema(
        {"$ref": "#/$defs/document", "$defs": definitions},
        unknown_key="is not supported by mockhub here",
    )


def _object_schema(keywords: dict[str, str]) -> dict[str, Any]:
    kinds = keywords | _COMMON_KEYWORDS
    return mapping("a mapping", {name: _value_schema(kind) for name, kind in kinds.items()})


def _value_schema(kind: str) -> Mapping[str, Any] | bool:
    reference = {"$ref": f"#/$defs/{kind.strip('[]{}')}"}
    if kind.startswith("["):
        return {"description": "a list", "type": "array", "items": reference}
    if kind.startswith("{"):
        return {"description": "a mapping", "type": "object", "additionalProperties": reference}
    return reference if kind else True


_SUBSET = _supported_subset()


@dataclass(frozen=True)
class Document:
    """A checked OpenAPI file."""

    path: Path
    root: Mapping[str, Any]

    def resolve(self, node: Any) -> Any:
        """Replace a `$ref` by its target, updated with the keywords beside it."""
        while isinstance(node, dict) and "$ref" in node:
            siblings = {name: value for name, value in node.items() if name != "$ref"}
            node = {**self.lookup(node["$ref"]), **siblings}
        return node

    def lookup(self, reference: str) -> Any:
        """Return the target of a local reference such as ``#/components/schemas/Size``."""
        node: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or name not in node:
                raise MockhubError(f"{self.path}: the reference {reference!r} has no target")
            node = node[name]
        return node

    def inline_references(self, node: Any, seen: tuple[str, ...] = ()) -> Any:
        """Replace every `$ref` below *node* by its target."""
        if isinstance(node, list):
            return [self.inline_references(item, seen) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(reference := node.get("$ref"), str):
            if reference in seen:
                raise MockhubError(f"{self.path}: the schema {reference!r} contains itself")
            seen = (*seen, reference)
        return {
            name: self.inline_references(value, seen) for name, value in self.resolve(node).items()
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
    return Document(path, root)
