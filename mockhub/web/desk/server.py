"""The server as a whole."""

from __future__ import annotations

from mockhub.resources import version
from mockhub.web.desk.call import Call, Text
from mockhub.web.desk.description import FILE
from mockhub.web.metrics import expose
from mockhub.world.scenarios import load, shipped


def get_health(call: Call) -> object:
    """It is up."""
    return {"status": "ok", "version": version(), "hubs": sum(1 for _ in call.store)}


def get_metrics(call: Call) -> object:
    """The metrics as text."""
    return Text(*expose(call.store, call.tally))


def get_description(call: Call) -> object:
    """control.yaml itself."""
    return Text("application/yaml", FILE.read_text("utf-8"))


def list_assumptions(call: Call) -> object:
    """The readings of open points."""
    found = call.pipeline.law.assumptions()
    return {
        "assumptions": [
            {"pointer": one.pointer, "clauses": list(one.clauses), "why": one.why} for one in found
        ]
    }


def list_scenarios(call: Call) -> object:
    """The starting worlds that come along."""
    scenarios = map(load, shipped().values())
    return {"scenarios": [{"name": one.name, "description": one.description} for one in scenarios]}
