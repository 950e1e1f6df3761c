"""create_app: one call assembles the application from a spec, hubs and settings."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario, load_scenario
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.app import App, create_app
from mockhub.web.limits import Limits
from tests.support.live_server import BODY, KEY, read_spec

URL = "http://mock.example"
AUTH = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def spec() -> ApiSpec:
    return read_spec(resource_path("openapi.yaml"))


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario(resource_path("fixtures/scenarios/default.yaml"))


def request(app: App, method: str, path: str, **options: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.request(method, path, headers=AUTH, **options)

    return asyncio.run(send())


@pytest.mark.parametrize("kind", ["scenario", "hub", "registry"])
def test_app_serves_scenario_hub_or_registry(spec: ApiSpec, scenario: Scenario, kind: str) -> None:
    hub = build_hub(scenario, DEFAULT, spec)
    hubs: dict[str, Scenario | HubBackend | HubRegistry] = {
        "scenario": scenario,
        "hub": hub,
        "registry": HubRegistry(hub),
    }
    response = request(create_app(spec, hubs[kind], url=URL), "GET", "/api/v1/credits")
    assert response.json()["credits"] == 120


def test_url_is_the_base_of_image_urls(spec: ApiSpec, scenario: Scenario) -> None:
    app = create_app(spec, scenario, url="https://public.example")
    response = request(app, "POST", "/api/v1/images/generations", json=BODY)
    assert response.json()["images"][0]["url"].startswith("https://public.example/images/")


def test_limits_bound_the_body(spec: ApiSpec, scenario: Scenario) -> None:
    app = create_app(spec, scenario, url=URL, limits=Limits(max_json_bytes=10))
    response = request(app, "POST", "/api/v1/images/generations", json=BODY)
    assert response.status_code == 400
    assert "at most 10 bytes" in response.json()["error"]["message"]


@pytest.mark.parametrize(("validate", "status"), [(True, 500), (False, 200)])
def test_response_that_breaks_the_spec_is_500_if_validated(
    spec: ApiSpec, scenario: Scenario, validate: bool, status: int
) -> None:
    hub = build_hub(scenario, DEFAULT, spec)
    for account in hub.accounts.values():
        account.account_type = cast("str", 7)  # the schema of the balance says: a string
    app = create_app(spec, hub, url=URL, validate_responses=validate)
    assert request(app, "GET", "/api/v1/credits").status_code == status


def test_observers_are_called_for_api_requests_and_images(
    spec: ApiSpec, scenario: Scenario
) -> None:
    observed: list[tuple[str, int]] = []
    app = create_app(
        spec,
        scenario,
        url=URL,
        observers=[lambda context: observed.append((context.path, context.coverage_key[1]))],
    )
    request(app, "GET", "/api/v1/models")
    request(app, "GET", "/images/unknown/ece0071344fddbf0/1.png")
    assert observed == [("/api/v1/models", 200), ("/images/unknown/ece0071344fddbf0/1.png", 404)]


def test_settings_override_those_of_the_scenario(spec: ApiSpec, scenario: Scenario) -> None:
    """A reset returns to the overridden settings, not to the scenario's own."""
    hub = build_hub(scenario, DEFAULT, spec, image_format="webp", max_generations=7)
    hub.reset()
    assert (hub.image_format, hub.max_generations) == ("webp", 7)
