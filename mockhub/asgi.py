"""mockhub as an ASGI application for any server: `uvicorn mockhub.asgi:app`.

Reset faults, responses to requests that are still being received, and timeouts need mockhub's own
server, `mockhub serve`. The state is in memory, so run a single worker.

Environment variables:
    MOCKHUB_SCENARIO: The name or file of a scenario (default: "default").
    MOCKHUB_PUBLIC_URL: What URLs in responses begin with (default: "http://127.0.0.1:8000").
    MOCKHUB_CONTROL_TOKEN: Serve the control plane to clients that send this token.
"""

from __future__ import annotations

import os

from mockhub.control.app import mount_control_plane
from mockhub.scenarios.loader import find_scenario
from mockhub.spec.api_spec import load_spec
from mockhub.web.app import App, create_app


def _create_app() -> App:
    scenario = find_scenario(os.environ.get("MOCKHUB_SCENARIO", "default"))
    url = os.environ.get("MOCKHUB_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
    app = create_app(load_spec(), scenario, url=url)
    if token := os.environ.get("MOCKHUB_CONTROL_TOKEN"):
        mount_control_plane(app, token=token)
    return app


app = _create_app()
