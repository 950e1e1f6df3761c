"""Control-plane handlers for the server as a whole."""

from __future__ import annotations

from msgspec.structs import asdict

from mockhub._resources import version
from mockhub.control import OPENAPI_FILE
from mockhub.control.context import ControlRequest, PlainResponse
from mockhub.control.operations import allowed_changes
from mockhub.scenarios.loader import bundled_scenarios, load_scenario
from mockhub.web.metrics import render_metrics


def get_health(request: ControlRequest) -> object:
    return {"status": "ok", "version": version(), "hubs": sum(1 for _ in request.hub_registry)}


def get_server(request: ControlRequest) -> object:
    return {"target": request.api.target, "changes": allowed_changes(request.api)}


def get_metrics(request: ControlRequest) -> object:
    return PlainResponse(*render_metrics(request.hub_registry, request.request_metrics))


def get_openapi(request: ControlRequest) -> object:
    return PlainResponse("application/yaml", OPENAPI_FILE.read_text("utf-8"))


def list_assumptions(request: ControlRequest) -> object:
    return {"assumptions": [asdict(one) for one in request.api.spec.assumptions()]}


def list_clauses(request: ControlRequest) -> object:
    from mockhub.verify.clauses import clauses

    return {"clauses": [clause._asdict() for clause in clauses().values()]}


def list_scenarios(request: ControlRequest) -> object:
    scenarios = map(load_scenario, bundled_scenarios().values())
    return {
        "scenarios": [
            {"name": scenario.name, "description": scenario.description} for scenario in scenarios
        ]
    }
