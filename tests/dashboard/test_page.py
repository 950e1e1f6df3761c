"""The files of the page: where they are served, to which sites, and with which security headers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import yaml

from mockhub._resources import resource_path
from tests.support.live_server import LiveHub, serve_hub

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def hub() -> Iterator[LiveHub]:
    with serve_hub(token="open sesame") as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/_mockhub"])
def test_browser_is_redirected_to_the_page(hub: LiveHub, path: str) -> None:
    """A person who opens the address of the server gets the page."""
    response = hub.client.get(path, headers=BROWSER)
    assert (response.status_code, response.headers["location"]) == (307, "/_mockhub/")


def test_api_client_gets_json_at_the_root(hub: LiveHub) -> None:
    """Only a browser is redirected."""
    response = hub.client.get("/")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "notFound")


def test_without_control_plane_there_is_no_page() -> None:
    """A server without a control plane has neither the page nor openapi.yaml."""
    with serve_hub() as hub:
        for path in ("/", "/_mockhub", "/_mockhub/", "/openapi.yaml", "/openapi.json"):
            assert hub.client.get(path, headers=BROWSER).status_code == 404


@pytest.mark.parametrize("path", ["/_mockhub/", "/_mockhub/static/app.js"])
def test_page_needs_no_token_and_is_protected(hub: LiveHub, path: str) -> None:
    """The files hold no data; a browser runs only our scripts and shows the page in no frame."""
    response = hub.client.get(path)
    policy = response.headers["content-security-policy"]
    assert response.status_code == 200
    assert {"default-src 'none'", "script-src 'self'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert hub.client.head(path).status_code == 200
    assert hub.client.post(path).status_code in (401, 404)


def test_description_of_the_control_plane_needs_no_token(hub: LiveHub) -> None:
    """The page links to it, and a link cannot send the token."""
    assert hub.client.get("/_mockhub/control.yaml").status_code == 200
    assert hub.client.get("/_mockhub/hubs").status_code == 401


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_foreign_site_is_rejected(hub: LiveHub, header: dict[str, str]) -> None:
    """The page has the rules of the control plane against DNS rebinding and foreign origins."""
    assert hub.client.get("/_mockhub/", headers=header).status_code == 403


@pytest.mark.parametrize(
    "path", ["../page.py", "%2e%2e/page.py", "views/../../page.py", "style.css/", "views", ""]
)
def test_no_other_file_is_served(hub: LiveHub, path: str) -> None:
    """A path leads to a file of the list or to nothing."""
    url = httpx.URL(hub.url, raw_path=f"/_mockhub/static/{path}".encode())
    assert hub.client.get(url).status_code in (401, 404)


def test_openapi_names_this_host(hub: LiveHub) -> None:
    """An import of the spec leads to the mock; everything else is as in openapi.yaml."""
    original = yaml.safe_load(resource_path("openapi.yaml").read_text("utf-8"))
    expected = {**original, "servers": [{"url": hub.url, "description": "This mock"}]}
    response = hub.client.get("/openapi.json")
    assert response.json() == expected
    assert response.headers["access-control-allow-origin"] == "*"
    assert yaml.safe_load(hub.client.get("/openapi.yaml").text) == expected
