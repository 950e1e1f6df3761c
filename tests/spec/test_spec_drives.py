"""An edit of openapi.yaml changes the mock, without a change of the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockhub._resources import resource_path
from tests.support.live_server import PNG, RICH, serve_hub

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edit_spec(tmp_path: Path) -> Callable[[Edit], Path]:
    """Write a changed copy of openapi.yaml."""

    def write(change: Edit) -> Path:
        spec = yaml.safe_load(resource_path("openapi.yaml").read_text("utf-8"))
        change(spec)
        file = tmp_path / "openapi.yaml"
        file.write_text(yaml.safe_dump(spec, sort_keys=False), "utf-8")
        return file

    return write


def models(spec: dict[str, Any]) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = spec["components"]["examples"]["Models"]["value"]["data"]
    return models


def schema(spec: dict[str, Any], name: str) -> dict[str, Any]:
    schema: dict[str, Any] = spec["components"]["schemas"][name]
    return schema


def test_model_can_be_added(edit_spec: Callable[[Edit], Path]) -> None:
    """A second model is listed, has its own prices and limits, and makes images."""

    def change(spec: dict[str, Any]) -> None:
        nano = {**models(spec)[0], "id": "nanobanana", "name": "Nano Banana", "provider": "gemini"}
        nano |= {"supported_qualities": ["1K"], "credits_per_image": {"1K": 3}}
        nano |= {"reference_image_limit": 3}
        models(spec).append(nano)

    with serve_hub(spec=edit_spec(change)) as server:
        listed = server.get("models", None).json()["data"]
        nano = server.generate({"model": "nanobanana", "n": 2})
        large = server.generate({"model": "nanobanana", "size": "2048x2048"})
        files = [("reference_image", ("r.png", PNG))] * 4
        many = server.generate(data={"model": "nanobanana", "prompt": "x"}, files=files)
        other = server.generate({"model": "gpt-image-2"})
    assert [model["id"] for model in listed] == ["gpt-image-2", "nanobanana"]
    assert (nano.json()["model"], nano.json()["usage"]["credits"]) == ("nanobanana", 6)
    assert large.status_code == 400
    assert many.status_code == 400
    assert other.json()["usage"]["credits"] == 8


def test_price_can_be_changed(edit_spec: Callable[[Edit], Path]) -> None:

    def change(spec: dict[str, Any]) -> None:
        models(spec)[0]["credits_per_image"]["1K"] = 7

    with serve_hub(spec=edit_spec(change)) as server:
        before = server.credits()
        assert server.generate({}).json()["balance"]["credits"] == before - 7


def test_maximum_of_images_can_be_changed(edit_spec: Callable[[Edit], Path]) -> None:
    """With a maximum of 6, `n` of 6 is valid and 7 is not, in JSON and forms."""

    def change(spec: dict[str, Any]) -> None:
        schema(spec, "ImageCount")["maximum"] = 6

    with serve_hub(spec=edit_spec(change)) as server:
        assert len(server.generate({"n": 6}).json()["images"]) == 6
        assert "from 1 to 6" in server.generate({"n": 7}).json()["error"]["message"]
        form = {"model": "gpt-image-2", "prompt": "x", "n": "6"}
        files = {"reference_image": ("r.png", PNG)}
        assert server.generate(data=form, files=files, key=RICH).status_code == 200


def test_aspect_ratio_can_be_added(edit_spec: Callable[[Edit], Path]) -> None:
    """A new ratio is listed, and returned for the sizes that have it."""

    def change(spec: dict[str, Any]) -> None:
        models(spec)[0]["supported_aspect_ratios"].append("7:4")

    with serve_hub() as server:
        before = server.generate({"size": "1792x1024"}).json()["aspect_ratio"]
    with serve_hub(spec=edit_spec(change)) as server:
        ratios = server.get("models", None).json()["data"][0]["supported_aspect_ratios"]
        after = server.generate({"size": "1792x1024"}).json()["aspect_ratio"]
    assert (before, after, len(ratios)) == ("16:9", "7:4", 17)


def test_timeout_can_be_changed(edit_spec: Callable[[Edit], Path]) -> None:
    """A synchronous generation fails at `x-timeout-seconds`."""

    def change(spec: dict[str, Any]) -> None:
        spec["paths"]["/api/v1/images/generations"]["post"]["x-timeout-seconds"] = 5

    with serve_hub(spec=edit_spec(change)) as server:
        assert server.generate({"prompt": "[[duration=5s]]"}).status_code == 200
        assert server.generate({"prompt": "[[duration=6s]]"}).status_code == 500


def test_maximum_file_size_can_be_changed(edit_spec: Callable[[Edit], Path]) -> None:
    """A reference image may have `x-max-bytes`, and not one byte more."""

    def change(spec: dict[str, Any]) -> None:
        schema(spec, "ReferenceImage")["x-max-bytes"] = len(PNG)

    form = {"model": "gpt-image-2", "prompt": "x"}
    with serve_hub(spec=edit_spec(change)) as server:
        at_limit = server.generate(data=form, files={"reference_image": ("r.png", PNG)})
        above_limit = server.generate(data=form, files={"reference_image": ("r.png", PNG + b"x")})
    assert (at_limit.status_code, above_limit.status_code) == (200, 400)


def test_defaults_tiers_messages_and_paths_can_be_changed(
    edit_spec: Callable[[Edit], Path],
) -> None:

    def change(spec: dict[str, Any]) -> None:
        schema(spec, "Size")["default"] = "2048x2048"
        schema(spec, "Size")["x-sizes"]["tiers"]["1K"] = "512x512"
        spec["components"]["examples"]["NotFound"]["value"]["error"]["message"] = "Nope"
        spec["paths"]["/api/v2/credits"] = spec["paths"].pop("/api/v1/credits")
        schema(spec, "Quality")["enum"].append("ultra")

    with serve_hub(spec=edit_spec(change)) as server:
        default = server.client.post(
            "/api/v1/images/generations",
            headers={"Authorization": f"Bearer {RICH}"},
            json={"model": "gpt-image-2", "prompt": "x", "quality": "ultra"},
        ).json()
        assert (default["quality"], default["usage"]["credits"]) == ("2K", 10)
        assert server.generate({"size": "1024x1024"}).json()["quality"] == "2K"
        assert server.get("credits").status_code == 404
        key = {"Authorization": f"Bearer {RICH}"}
        assert server.client.get("/api/v2/credits", headers=key).json()["credits"] == 999990


def test_size_of_a_tier_without_price_is_rejected(edit_spec: Callable[[Edit], Path]) -> None:
    """The error names the size, its tier and the tiers of the model."""

    def change(spec: dict[str, Any]) -> None:
        models(spec)[0] |= {"supported_qualities": ["1K"], "credits_per_image": {"1K": 3}}

    with serve_hub(spec=edit_spec(change)) as server:
        error = server.generate({"size": "2048x2048"}).json()["error"]
    expected = 'size: "2048x2048" is of tier 2K; expected one of 1K for gpt-image-2'
    assert error == {"code": "invalid_request", "message": expected}


def test_last_tier_has_no_upper_bound(edit_spec: Callable[[Edit], Path]) -> None:
    """A size larger than every tier is billed as the last one."""

    def change(spec: dict[str, Any]) -> None:
        schema(spec, "Size")["x-sizes"]["tiers"]["4K"] = "2048x2064"

    with serve_hub(spec=edit_spec(change)) as server:
        assert server.generate({"size": "3840x2160"}).json()["quality"] == "4K"
