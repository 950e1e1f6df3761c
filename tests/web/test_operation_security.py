"""The security requirements of openapi.yaml decide which operations need an API key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError
from mockhub.spec.api_spec import load_spec
from tests.support.live_server import KEY, serve_hub

KEY_REQUIRED = [{"apiKey": []}]

SpecWith = Callable[..., Path]


@pytest.fixture
def spec_with(tmp_path: Path) -> SpecWith:
    """Write openapi.yaml with other members of one operation."""

    def write(operation_id: str, **members: Any) -> Path:
        document = read_spec_file()
        operation = find_operation(document, operation_id)
        operation.update(members)
        file = tmp_path / "openapi.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        return file

    return write


def read_spec_file() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(resource_path("openapi.yaml").read_text("utf-8"))
    return document


def find_operation(document: dict[str, Any], operation_id: str) -> dict[str, Any]:
    operations = (node for item in document["paths"].values() for node in item.values())
    return next(
        node
        for node in operations
        if isinstance(node, dict) and node["operationId"] == operation_id
    )


@pytest.mark.parametrize("security", [[], [{}], [{}, *KEY_REQUIRED]])
@pytest.mark.parametrize("operation_id", ["get_credits", "create_generation", "get_generation"])
def test_operation_that_needs_an_account_must_require_a_key(
    spec_with: SpecWith, operation_id: str, security: list[Any]
) -> None:
    file = spec_with(operation_id, security=security)
    lines = file.read_text("utf-8").splitlines()
    start = lines.index(f"      operationId: {operation_id}")
    line = start + next(n for n, text in enumerate(lines[start:], 1) if "security:" in text)
    with pytest.raises(MockhubError) as error:
        load_spec(file)
    assert str(error.value).startswith(f"{file}:{line}: #/paths/")
    assert f"expected a security requirement: {operation_id} needs" in str(error.value)


def test_model_list_may_require_a_key(spec_with: SpecWith) -> None:
    responses = {
        "200": find_operation(read_spec_file(), "list_models")["responses"]["200"],
        "401": find_operation(read_spec_file(), "get_credits")["responses"]["401"],
    }
    file = spec_with("list_models", security=KEY_REQUIRED, responses=responses)
    with serve_hub(spec=file) as server:
        assert server.get("models", None).status_code == 401
        response = server.get("models", KEY)
    assert (response.status_code, response.json()["object"]) == (200, "list")


def test_operation_that_requires_a_key_must_document_401(spec_with: SpecWith) -> None:
    with pytest.raises(MockhubError, match="expected a response 401: list_models requires"):
        load_spec(spec_with("list_models", security=KEY_REQUIRED))


def test_key_is_optional_if_one_alternative_is_empty(spec_with: SpecWith) -> None:
    file = spec_with("list_models", security=[{}, *KEY_REQUIRED])
    with serve_hub(spec=file) as server:
        assert server.get("models", None).status_code == 200
