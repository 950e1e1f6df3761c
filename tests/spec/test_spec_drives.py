"""The law drives: an edit of openapi.yaml changes the mock, with no change of code."""

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
def edited(tmp_path: Path) -> Callable[[Edit], Path]:
    """A copy of the law, changed by a function."""

    def edit(change: Edit) -> Path:
        law = yaml.safe_load(resource_path("openapi.yaml").read_text("utf-8"))
        change(law)
        file = tmp_path / "openapi.yaml"
        file.write_text(yaml.safe_dump(law, sort_keys=False), "utf-8")
        return file

    return edit


def models(law: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = law["components"]["examples"]["Models"]["value"]["data"]
    return found


def schema(law: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = law["components"]["schemas"][name]
    return found


def test_a_second_model(edited: Callable[[Edit], Path]) -> None:
    """A model that is added is listed, priced, bounded and drawn."""

    def change(law: dict[str, Any]) -> None:
        nano = {**models(law)[0], "id": "nanobanana", "name": "Nano Banana", "provider": "gemini"}
        nano |= {"supported_qualities": ["1K"], "credits_per_image": {"1K": 3}}
        nano |= {"reference_image_limit": 3}
        models(law).append(nano)

    with serve_hub(spec=edited(change)) as server:
        listed = server.get("models", None).json()["data"]
        made = server.generate({"model": "nanobanana", "n": 2})
        large = server.generate({"model": "nanobanana", "size": "2048x2048"})
        files = [("reference_image", ("r.png", PNG))] * 4
        many = server.generate(data={"model": "nanobanana", "prompt": "x"}, files=files)
        other = server.generate({"model": "gpt-image-2"})
    assert [model["id"] for model in listed] == ["gpt-image-2", "nanobanana"]
    assert (made.json()["model"], made.json()["usage"]["credits"]) == ("nanobanana", 6)
    assert large.status_code == 400
    assert many.status_code == 400
    assert other.json()["usage"]["credits"] == 8


def test_another_price(edited: Callable[[Edit], Path]) -> None:
    """A price that is changed is charged."""

    def change(law: dict[str, Any]) -> None:
        models(law)[0]["credits_per_image"]["1K"] = 7

    with serve_hub(spec=edited(change)) as server:
        before = server.credits()
        assert before - 7 == server.generate({}).json()["balance"]["credits"]


def test_more_images(edited: Callable[[Edit], Path]) -> None:
    """With a maximum of 6, six images are made and seven refused, in JSON and forms alike."""

    def change(law: dict[str, Any]) -> None:
        schema(law, "ImageCount")["maximum"] = 6

    with serve_hub(spec=edited(change)) as server:
        assert len(server.generate({"n": 6}).json()["images"]) == 6
        assert "from 1 to 6" in server.generate({"n": 7}).json()["error"]["message"]
        form = {"model": "gpt-image-2", "prompt": "x", "n": "6"}
        files = {"reference_image": ("r.png", PNG)}
        assert server.generate(data=form, files=files, key=RICH).status_code == 200


def test_a_17th_ratio(edited: Callable[[Edit], Path]) -> None:
    """A ratio that is added is listed, and answered for the sizes that have it."""

    def change(law: dict[str, Any]) -> None:
        models(law)[0]["supported_aspect_ratios"].append("7:4")

    with serve_hub() as server:
        before = server.generate({"size": "1792x1024"}).json()["aspect_ratio"]
    with serve_hub(spec=edited(change)) as server:
        ratios = server.get("models", None).json()["data"][0]["supported_aspect_ratios"]
        after = server.generate({"size": "1792x1024"}).json()["aspect_ratio"]
    assert (before, after, len(ratios)) == ("16:9", "7:4", 17)


def test_a_shorter_limit(edited: Callable[[Edit], Path]) -> None:
    """A synchronous generation fails at the limit that the law states."""

    def change(law: dict[str, Any]) -> None:
        law["paths"]["/api/v1/images/generations"]["post"]["x-timeout-seconds"] = 5

    with serve_hub(spec=edited(change)) as server:
        assert server.generate({"prompt": "[[duration=5s]]"}).status_code == 200
        assert server.generate({"prompt": "[[duration=6s]]"}).status_code == 500


def test_smaller_files(edited: Callable[[Edit], Path]) -> None:
    """A reference image may have as many bytes as the law says, and not one more."""

    def change(law: dict[str, Any]) -> None:
        schema(law, "ReferenceImage")["x-max-bytes"] = len(PNG)

    form = {"model": "gpt-image-2", "prompt": "x"}
    with serve_hub(spec=edited(change)) as server:
        fits = server.generate(data=form, files={"reference_image": ("r.png", PNG)})
        more = server.generate(data=form, files={"reference_image": ("r.png", PNG + b"x")})
    assert (fits.status_code, more.status_code) == (200, 400)


def test_other_defaults_codes_and_routes(edited: Callable[[Edit], Path]) -> None:
    """Defaults, messages, tiers and paths come from the file."""

    def change(law: dict[str, Any]) -> None:
        schema(law, "Size")["default"] = "2048x2048"
        schema(law, "Size")["x-sizes"]["tiers"]["1K"] = "512x512"
        law["components"]["examples"]["NotFound"]["value"]["error"]["message"] = "Nope"
        law["paths"]["/api/v2/credits"] = law["paths"].pop("/api/v1/credits")
        schema(law, "Quality")["enum"].append("ultra")

    with serve_hub(spec=edited(change)) as server:
        default = server.client.post(
            "/api/v1/images/generations",
            headers={"Authorization": f"Bearer {RICH}"},
            json={"model": "gpt-image-2", "prompt": "x", "quality": "ultra"},
        ).json()
        assert (default["quality"], default["usage"]["credits"]) == ("2K", 10)
        assert server.generate({"size": "1024x1024"}).json()["quality"] == "2K"
        assert server.get("credits").status_code == 404
        key = {"Authorization": f"Bearer {RICH}"}
        assert server.client.get("/api/v2/credits", headers=key).json()["credits"] == 999990 - 0
