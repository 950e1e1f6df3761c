"""The OpenAPI file as a checked document: what is not implemented is refused, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mockhub._text import suggest
from mockhub.exceptions import MockhubError

# What may stand in which object of the file, and what each of its values is: the name of another
# kind, `[kind]` for a list of them, `{kind}` for a map of them, or "" for what is not looked into.
ALLOWED_KEYWORDS: Mapping[str, Mapping[str, str]] = {
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
COMMON_KEYWORDS = frozenset({"$ref", "x-clauses", "x-assumed"})

Pointer = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The file's path and what it says, checked."""

    path: Path
    root: Mapping[str, Any]

    def resolve(self, node: Any) -> Any:
        """*node* with its reference, if it has one, followed; its other keywords lie on top."""
        while isinstance(node, dict) and "$ref" in node:
            siblings = {name: value for name, value in node.items() if name != "$ref"}
            node = {**self.lookup(node["$ref"]), **siblings}
        return node

    def lookup(self, reference: str) -> Any:
        """The place that a local reference such as ``#/components/schemas/Size`` names."""
        node: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or name not in node:
                raise MockhubError(f"{self.path}: the reference {reference!r} leads nowhere")
            node = node[name]
        return node

    def inline_references(self, node: Any, seen: tuple[str, ...] = ()) -> Any:
        """*node* with every reference below it replaced by what it names."""
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
        """An error that names the file, the line and the place of *pointer* in it."""
        return error_at(self.path, pointer, message)


def load_document(path: Path) -> Document:
    """Read and check an OpenAPI file.

    Raises:
        MockhubError: if it cannot be read, is no OpenAPI, or has a keyword not implemented here.
    """
    root = load_yaml(path)
    if not isinstance(root, dict) or not str(root.get("openapi", "")).startswith("3.1"):
        raise MockhubError(f"{path}: not an OpenAPI 3.1 document")
    for pointer, message in _find_errors(root, "document", ()):
        raise error_at(path, pointer, message)
    return Document(path, root)


def load_yaml(path: Path) -> Any:
    """Read a YAML file in which no key stands twice.

    Raises:
        MockhubError: if it cannot be read, naming the place.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_bytes())
        node = loader.get_single_node()
        for key in _find_duplicate_keys(node, set()):
            line = key.start_mark.line + 1
            raise MockhubError(f"{path}:{line}: the key {key.value!r} stands twice; expected once")
        return loader.construct_document(node) if node else None
    except OSError as error:
        raise MockhubError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MockhubError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _find_duplicate_keys(node: Any, seen: set[int]) -> Iterator[Any]:
    """The keys below *node* that its mappings have already; an alias is looked at once."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    names = set()
    for child in node.value:
        key, value = child if isinstance(node, yaml.MappingNode) else (None, child)
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in names:
                yield key
            names.add((key.tag, key.value))
        yield from _find_duplicate_keys(value, seen)


def _find_errors(node: Any, kind: str, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Everything in *node* that is not of *kind*, with its place."""
    if isinstance(node, bool) and kind == "schema":
        return
    if not isinstance(node, dict):
        yield pointer, f"expected a mapping, found {node!r}"
        return
    known = ALLOWED_KEYWORDS[kind]
    for name, value in node.items():
        if not isinstance(name, str):
            yield (*pointer, name), f"the key {name!r} is not text; quote it"
        elif name in known:
            yield from _check_child(value, known[name], (*pointer, name))
        elif name not in COMMON_KEYWORDS:
            hint = suggest(name, [*known, *COMMON_KEYWORDS])
            yield (*pointer, name), f"mockhub does not implement {name!r} here{hint}"
    if kind == "schema":
        yield from _find_non_string_enums(node, pointer)


def _check_child(value: Any, child: str, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    kind = child.strip("[]{}")
    if child.startswith("["):
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            yield from _find_errors(item, kind, (*pointer, index))
    elif child.startswith("{"):
        if not isinstance(value, dict):
            yield pointer, f"expected a mapping, found {value!r}"
            return
        for name, item in value.items():
            if not isinstance(name, str):
                yield (*pointer, name), f"the key {name!r} is not text; quote it"
            yield from _find_errors(item, kind, (*pointer, name))
    elif child:
        yield from _find_errors(value, kind, pointer)


def _find_non_string_enums(
    schema: Mapping[str, Any], pointer: Pointer
) -> Iterator[tuple[Pointer, str]]:
    """YAML reads a bare 16:9 as a number and NO as false; among words that is never meant."""
    for index, value in enumerate(schema.get("enum", ()) if schema.get("type") == "string" else ()):
        if not isinstance(value, str):
            yield (*pointer, "enum", index), f"{value!r} is not text; quote it"


def error_at(path: Path, pointer: Pointer, message: str) -> MockhubError:
    """An error that names the file, the line and the place of *pointer* in a YAML file.

    What came otherwise than in a file has no lines.
    """
    place = "#/" + "/".join(str(part).replace("/", "~1") for part in pointer)
    line = f":{_line_number(path, pointer)}" if path.is_file() else ""
    return MockhubError(f"{path}{line}: {place}: {message}")


def _line_number(path: Path, pointer: Pointer) -> int:
    node = yaml.compose(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    line = 1
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
