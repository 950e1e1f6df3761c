"""What the peers are started on that cannot read our document as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.requests import GENERATIONS, MODELS
from mockhub._resources import resource_path
from mockhub.spec.document import Document, load_document

OLDER = "openapi-3.0.json"


def write(folder: Path) -> None:
    """Write our document as OpenAPI 3.0, and its published answers for WireMock and aimock."""
    document = load_document(resource_path("openapi.yaml"))
    models = _published(document, MODELS.path, "get")
    made = _published(document, GENERATIONS, "post")
    picture = {
        "match": {"endpoint": "image"},
        "response": {"image": {"url": made["images"][0]["url"]}},
    }
    _write(folder / OLDER, _as_3_0(document))
    _write(folder / "wiremock/mappings/models.json", _stub("GET", MODELS.path, models))
    _write(folder / "wiremock/mappings/generations.json", _stub("POST", GENERATIONS, made))
    _write(folder / "aimock/images.json", {"fixtures": [picture]})


def _write(file: Path, told: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, indent=2))


def _published(document: Document, path: str, method: str) -> Any:
    answer = document.root["paths"][path][method]["responses"]["200"]
    example = next(iter(answer["content"]["application/json"]["examples"].values()))
    return document.resolve(example)["value"]


def _stub(method: str, path: str, body: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    return {
        "request": {"method": method, "urlPath": path},
        "response": {"status": 200, "headers": headers, "jsonBody": body},
    }


def _as_3_0(document: Document) -> Any:
    told = _older(document.inline_references(dict(document.root)))
    told["openapi"] = "3.0.3"
    del told["info"]["summary"], told["info"]["license"]["identifier"]
    # Connexion wants a function of ours to judge a key, so nobody who is given this asks for one.
    del told["security"]
    return told


def _older(node: Any) -> Any:
    """*node* in the words of 3.0; each answer's schema has the published answer as its example."""
    if isinstance(node, list):
        return [_older(item) for item in node]
    if not isinstance(node, dict):
        return node
    told = {name: _older(value) for name, value in node.items()}
    if isinstance(told.get("type"), list):
        told |= {"type": told["type"][0], "nullable": True}
    if "const" in told:
        told["enum"] = [told.pop("const")]
    if isinstance(told.get("examples"), list):
        told["example"] = told.pop("examples")[0]
    elif "examples" in told and "schema" in told:
        first = next(iter(told["examples"].values()))
        told["schema"]["example"] = first["value"]
    return told
