"""Control-plane handlers for faults."""

from __future__ import annotations

from mockhub.control import serializers
from mockhub.control.context import ControlRequest, parse_field
from mockhub.faults.grammar import Directive, parse_directives, with_conditions


def list_faults(request: ControlRequest) -> object:
    return {
        "faults": [serializers.armed_fault(fault) for fault in request.hub.faults.armed.values()]
    }


def arm_fault(request: ControlRequest) -> object:
    prompt = request.body.get("prompt")

    def parse(text: str) -> list[Directive]:
        return [with_conditions(fault, prompt=prompt) for fault in parse_directives(text)]

    request.hub.faults.arm(parse_field("fault", parse, request.body["fault"]))
    return list_faults(request)


def clear_faults(request: ControlRequest) -> object:
    request.hub.faults.clear()
    return list_faults(request)
