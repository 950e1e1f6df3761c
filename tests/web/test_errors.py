"""Error responses, unknown paths and methods, HEAD and CORS."""

from __future__ import annotations

import pytest

from tests.support.live_server import EXPIRED, IMAGE_PATH, KEY, POOR, REVOKED, RICH, LiveHub

PATHS = [
    "/",
    "/api/v1",
    "/api/v1/",
    "/api/v1/models/",
    "/api/v1/Models",
    "/api/v2/models",
    "//api/v1/models",
    "/api//v1/models",
    "/api/v1/generations",
    "/api/v1/generations/",
    "/api/v1/generations/a%2Fb",
    "/api/v1/models%2F",
    "/api/v1/%2e%2e/v1/models",
    "/api/v1/models;x",
    "/favicon.ico",
    "/hubs",
    "/hubs/",
    "/hubs/unknown/api/v1/models",
    "/hubs/default",
    "/hubs/default/",
    "/images/",
    "/images/x/1.png",
    "/_mockhub",
    "/_mockhub/health",
    "/" + 5000 * "a",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path_is_not_found(shared_hub: LiveHub, path: str, method: str) -> None:
    """An unknown path is 404 notFound in the documented shape. Each slash counts (END-5)."""
    response = shared_hub.client.request(method, shared_hub.url + path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "notFound")


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("/images/generations", "/api/v1/images/generations"),
        ("/models", "/api/v1/models"),
        ("/v1/credits", "/api/v1/credits"),
        ("/api/v1/api/v1/credits", "/api/v1/credits"),
        ("//api/v1/credits", "/api/v1/credits"),
        ("/generations/clx1", "/api/v1/generations/clx1"),
        ("/hubs/default/models", "/hubs/default/api/v1/models"),
        ("/api/v1/models/", "/api/v1/models"),
        ("/api/v1/image/generations", "/api/v1/images/generations"),
        ("/models/gpt-image-2", "/api/v1/models"),
        ("/hubs/default/v1/models/gpt-image-2", "/hubs/default/api/v1/models"),
    ],
)
def test_unknown_path_suggests_the_nearest_known_one(
    shared_hub: LiveHub, path: str, suggestion: str
) -> None:
    """A client whose base URL lacks /api/v1 learns where the operation is."""
    response = shared_hub.client.post(shared_hub.url + path, json={})
    message = f"There is nothing at {path!r}; did you mean {suggestion!r}?"
    assert response.json() == {"error": {"message": message, "code": "notFound"}}


@pytest.mark.parametrize("path", ["/favicon.ico", "/", "/images/clx1/1.png"])
def test_unrelated_path_has_no_suggestion(shared_hub: LiveHub, path: str) -> None:
    response = shared_hub.client.get(shared_hub.url + path)
    assert response.json()["error"]["message"] == f"There is nothing at {path!r}"


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/api/v1/models", {"GET", "HEAD", "OPTIONS"}),
        ("/api/v1/credits", {"GET", "HEAD", "OPTIONS"}),
        ("/api/v1/images/generations", {"POST", "OPTIONS"}),
        ("/api/v1/generations/clx_generation_log_id", {"GET", "HEAD", "OPTIONS"}),
        (IMAGE_PATH, {"GET", "HEAD", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_unknown_method_is_405(
    shared_hub: LiveHub, path: str, offered: set[str], method: str
) -> None:
    """A method that a path does not have is 405 with Allow, in the documented shape (END-6)."""
    if method in offered:
        return
    response = shared_hub.client.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == offered
    assert response.json()["error"].keys() == {"message", "code"}


@pytest.mark.parametrize(
    ("status", "code", "key", "change"),
    [
        (400, "invalid_request", RICH, {"n": 9}),
        (401, "missingApiKey", None, {}),
        (401, "invalidApiKey", REVOKED, {}),
        (401, "expiredApiKey", EXPIRED, {}),
        (402, "insufficientCredits", POOR, {}),
        (500, "generationFailed", RICH, {"prompt": "[[fail]]"}),
    ],
)
def test_every_error_has_one_shape(
    shared_hub: LiveHub, status: int, code: str, key: str | None, change: dict[str, object]
) -> None:
    """An error is {error: {message, code}} and nothing else (ERR-1 ERR-2 ERR-3 ERR-4 ERR-6)."""
    response = shared_hub.generate(change, key=key)
    assert response.status_code == status
    assert response.json().keys() == {"error"}
    assert response.json()["error"].keys() == {"message", "code"}
    assert response.json()["error"]["code"] == code


def test_responses_are_json(shared_hub: LiveHub) -> None:
    """Responses are application/json whatever Accept says, and errors have a message (ERR-7)."""
    for accept in ("*/*", "text/html", "application/xml", "image/*;q=0.1", ""):
        for path in ("models", "credits", "generations/nothing", "nothing"):
            response = shared_hub.get(path, headers={"Accept": accept})
            assert response.headers["content-type"] == "application/json"
            assert response.status_code == 200 or response.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models",
        "/api/v1/credits",
        "/api/v1/generations/clx_generation_log_id",
        IMAGE_PATH,
        "/nothing",
    ],
)
def test_head_is_get_without_a_body(shared_hub: LiveHub, path: str) -> None:
    """HEAD returns the status and headers of GET and no body."""
    headers = {"Authorization": f"Bearer {KEY}"}
    full, head = (shared_hub.client.request(m, path, headers=headers) for m in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (full.status_code, b"")
    for name in ("content-type", "content-length"):
        assert full.headers[name] == head.headers[name]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/v1/images/generations", "POST"),
        ("/api/v1/credits", "GET"),
        (IMAGE_PATH, "GET"),
    ],
)
def test_preflight_needs_no_key(shared_hub: LiveHub, path: str, method: str) -> None:
    """A preflight needs no key and allows the method and the headers that it requests."""
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    }
    response = shared_hub.client.options(path, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers
    assert response.headers["access-control-allow-origin"] == "*"
    assert method in response.headers["access-control-allow-methods"]
    assert (
        (response.headers["access-control-allow-headers"])
        == "authorization,content-type,x-stainless-os"
    )


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nothing", "POST", 404),
        ("/images/generations", "POST", 404),
        ("/hubs/none/api/v1/images/generations", "POST", 404),
        ("/images/none/0000000000000000/1.png", "GET", 404),
        ("/api/v1/models", "DELETE", 405),
        (IMAGE_PATH, "PUT", 405),
    ],
)
def test_page_can_read_the_error_of_a_wrong_path_or_method(
    shared_hub: LiveHub, path: str, method: str, status: int
) -> None:
    """The preflight is allowed, so that the browser sends the request and the page sees why."""
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = shared_hub.client.options(shared_hub.url + path, headers=headers)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-methods"] == method
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    response = shared_hub.client.request(
        method, shared_hub.url + path, headers={"Origin": "https://app.example"}
    )
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"


def test_plain_options_of_unknown_path_is_not_found(shared_hub: LiveHub) -> None:
    assert shared_hub.client.options(shared_hub.url + "/nothing").status_code == 404


every_kind_of_response = pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/models", 200),
        ("GET", "/api/v1/credits", 401),
        ("POST", "/api/v1/images/generations", 401),
        ("GET", "/nothing", 404),
        ("PUT", "/api/v1/models", 405),
        ("GET", IMAGE_PATH, 200),
        ("GET", "/images/nothing/1.png", 404),
    ],
)


@every_kind_of_response
def test_pages_of_other_origins_can_read_responses(
    shared_hub: LiveHub, method: str, path: str, status: int
) -> None:
    """A page of another origin can read every response and its important headers."""
    response = shared_hub.client.request(method, path, headers={"Origin": "https://app.example"})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert "WWW-Authenticate" in response.headers["access-control-expose-headers"]


@every_kind_of_response
def test_cors_headers_do_not_depend_on_the_origin(
    shared_hub: LiveHub, method: str, path: str, status: int
) -> None:
    """A cached response of an <img> can be used for a fetch: it has the same CORS headers."""
    responses = [
        shared_hub.client.request(method, path, headers=headers)
        for headers in ({}, {"Origin": "https://app.example"}, {"Origin": "null"})
    ]
    assert [response.status_code for response in responses] == 3 * [status]
    for response in responses:
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers.keys() == responses[0].headers.keys()
        assert "vary" not in response.headers
