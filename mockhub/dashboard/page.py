"""Serve the page's HTML, modules and style sheet, and openapi.yaml for this host.

None of it holds data of a hub: the page reads that from the control plane, with the token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from mockhub._resources import version
from mockhub.spec.config_file import load_yaml
from mockhub.web.app import CONTROL_PREFIX, OPENAPI_PATHS
from mockhub.web.cors import with_cors_headers
from mockhub.web.responses import Headers, Response, json_response

_STATIC_DIR = Path(__file__).with_name("static")
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}
_OK, _TEMPORARY_REDIRECT = 200, 307

# Names of models, prompts and headers are text of others: no script or style but our own runs.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_SECURITY_HEADERS = {
    "content-security-policy": _CONTENT_SECURITY_POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Dashboard:
    """The files of the page.

    Args:
        openapi_file: The API spec that is served for this host.
        public_url: The address of the default hub, which replaces the server of the API spec.
        target: The URL of the service that a proxy forwards requests to.
    """

    def __init__(self, openapi_file: Path, public_url: str, *, target: str | None = None) -> None:
        self._openapi_file = openapi_file
        self._public_url = public_url
        self._description = f"A proxy of {target}" if target else "This mock"

    def response(self, path: str) -> Response | None:
        """Return the file at *path*, or None if the page has none there."""
        if path in ("/", CONTROL_PREFIX):
            location = (b"location", CONTROL_PREFIX.encode() + b"/")
            return Response(_TEMPORARY_REDIRECT, b"", (location, (b"content-length", b"0")))
        if path in OPENAPI_PATHS:
            return with_cors_headers(self._openapi(path))
        if path == f"{CONTROL_PREFIX}/":
            return _page_response(self._html, "text/html")
        if file := self._static_files.get(path):
            return _page_response(file.read_bytes(), _MEDIA_TYPES[file.suffix])
        return None

    @cached_property
    def _static_files(self) -> Mapping[str, Path]:
        """The files by URL path; no other path can be read."""
        return {
            f"{CONTROL_PREFIX}/static/{file.relative_to(_STATIC_DIR).as_posix()}": file
            for file in _STATIC_DIR.rglob("*")
            if file.suffix in _MEDIA_TYPES
        }

    @cached_property
    def _html(self) -> bytes:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("mockhub.dashboard"), autoescape=True, undefined=StrictUndefined
        )
        template = environment.get_template("page.html.j2")
        return template.render(version=version(), public_url=self._public_url).encode()

    def _openapi(self, path: str) -> Response:
        """Return the API spec with this host as its only server.

        A client that imports it never sends a request past this server by accident.
        """
        servers = [{"url": self._public_url, "description": self._description}]
        if path.endswith(".json"):
            return json_response(_OK, {**load_yaml(self._openapi_file), "servers": servers})
        text = self._openapi_file.read_text("utf-8")
        description = json.dumps(self._description)
        block = f'servers:\n  - url: "{self._public_url}"\n    description: {description}\n'
        text = re.sub(r"(?m)^servers:.*\n(?:[ -].*\n)*", lambda _: block, text, count=1)
        return _response(text.encode(), "application/yaml", {})


def _page_response(body: bytes, media_type: str) -> Response:
    return _response(body, media_type, _SECURITY_HEADERS)


def _response(body: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    fields = {
        "content-type": f"{media_type}; charset=utf-8",
        "content-length": str(len(body)),
        **headers,
    }
    encoded: Headers = tuple((name.encode(), value.encode()) for name, value in fields.items())
    return Response(_OK, body, encoded)
