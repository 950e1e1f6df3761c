"""The control plane: what a test or a person may ask of the server itself, under `/_mockhub`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mockhub.web.app import CONTROL, App


def attach(app: App, *, token: str | None) -> None:
    """Serve the control plane on *app*; with *token*, only to who sends it as a Bearer token."""

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    app.router.routes.append(Route(f"{CONTROL}/health", health))
