"""Input files for the peers that cannot read our openapi.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.requests import GENERATIONS, MODELS
from mockhub._resources import resource_path
from mockhub.spec.document import Document, load_document

OPENAPI_3_0 = "openapi-3.0.json"


def write(folder: Path) -> None:
    """Write our document as OpenAPI 3.0, and the published responses for WireMock and aimock."""
    document = load_document(resource_path("openapi.yaml"))
    models = _published_example(document, MODELS.path, "get")
    generation = _published_example(document, GENERATIONS, "post")
    image_fixture = {
        "match": {"endpoint": "image"},
        "response": {"image": {"url": generation["images"][0]["url"]}},
    }
    _write(folder / OPENAPI_3_0, _as_3_0(document))
    _write(folder / "wiremock/mappings/models.json", _stub("GET", MODELS.path, models))
    _write(folder / "wiremock/mappings/generations.json", _stub("POST", GENERATIONS, generation))
    _write(folder / "aimock/images.json", {"fixtures": [image_fixture]})


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2))


def _published_example(document: Document, path: str, method: str) -> Any:
    response = document.root["paths"][path][method]["responses"]["200"]
    example = next(iter(response["content"]["application/json"]["examples"].values()))
    return document.resolve(example)["value"]


def _stub(method: str, path: str, body: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    return {
        "request": {"method": method, "urlPath": path},
        "response": {"status": 200, "headers": headers, "jsonBody": body},
    }


def _as_3_0(document: Document) -> Any:
    converted = _downgrade(document.inline_references(dict(document.root)))
    converted["openapi"] = "3.0.3"
    del converted["info"]["summary"], converted["info"]["license"]["identifier"]
    # Connexion needs a Python function to check keys, so the document has no security.
    del converted["security"]
    return converted


def _downgrade(node: Any) -> Any:
    """Convert *node* to OpenAPI 3.0, with the published responses as examples of the schemas."""
    if isinstance(node, list):
        return [_downgrade(item) for item in node]
    if not isinstance(node, dict):
        return node
    converted = {name: _downgrade(value) for name, value in node.items()}
    if isinstance(converted.get("type"), list):
        converted |= {"type": converted["type"][0], "nullable": True}
    if "const" in converted:
        converted["enum"] = [converted.pop("const")]
    if isinstance(converted.get("examples"), list):
        converted["example"] = converted.pop("examples")[0]
    elif "examples" in converted and "schema" in converted:
        first = next(iter(converted["examples"].values()))
        converted["schema"]["example"] = first["value"]
    return converted
